import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore } from './index.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures } from './spec-kit.js';

let database: TestDatabase;
let intake: GroupCommitIntake;
let store: PostgresEvidenceStore;
const rollouts = ['rollout-a', 'rollout-b'];

beforeAll(async () => {
  database = await createTestDatabase();
  const exposures = new ToldExposures();
  for (const [index, rollout] of rollouts.entries())
    exposures.tell('api-tpu', index === 0 ? 'router' : 'sampling', 10, exposureOf(rollout, 1_000));
  const bell = new EvidenceBell();
  intake = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
  store = new PostgresEvidenceStore(database.pool, bell);
});
afterAll(() => database.drop());

describe('the requests of a look', () => {
  it('rule 12: are counted up to the same moment as its bad outcomes, while more of both arrive', async () => {
    const configs = ['router', 'sampling'];
    const send = (unit: number) =>
      intake.submit(
        batchOf([
          {
            arms: configs.map((config) => ({ config, revision: 2, requests: 1, units: [] })),
            bad: configs.map((config) => ({ ...badOf(`u${unit}`, 2), revisions: { [config]: 2 } })),
          },
        ]),
        { token: 'tpu-fleet' },
        NOON,
      );
    let sending = true;
    const sent = Promise.all(
      Array.from({ length: 4 }, async (_, lane) => {
        for (let n = 0; n < 12; n += 1) await send(lane * 12 + n);
      }),
    ).then(() => (sending = false));
    const seen = new Map(rollouts.map((rollout) => [rollout, 0]));
    const look = async (rollout: string): Promise<void> => {
      const { look: taken, requests } = await store.takeLook(rollout, NOON);
      const bad = taken.cells.reduce((sum, { candidateBad }) => sum + candidateBad, seen.get(rollout) ?? 0);
      seen.set(rollout, bad);
      expect(requests.slices[0]?.candidateRequests ?? 0).toBe(bad);
    };
    while (sending) await Promise.all(rollouts.map(look));
    await sent;
    await Promise.all(rollouts.map(look));
    expect([...seen.values()]).toEqual([48, 48]);
  });
});

describe('outcomes by request that come later than their requests', () => {
  it('are a cell of their own, beside all requests of their share so far that measured the signal', async () => {
    const exposures = new ToldExposures();
    exposures.tell('api-tpu', 'router', 10, exposureOf('late', 1_000, { assignment: 'request' }));
    exposures.tell('api-tpu', 'router', 11, exposureOf('late', 5_000, { assignment: 'request' }));
    const own = new GroupCommitIntake(database.pool, exposures, new EvidenceBell(), { lingerMs: 0 });
    const arms = (candidate: number, control: number) => [
      { config: 'router', revision: 2, requests: candidate },
      { config: 'router', revision: 1, requests: control },
    ];
    const send = (...windows: Parameters<typeof batchOf>[0]) => own.submit(batchOf(windows), { token: 'fleet' }, NOON);
    await send({ arms: arms(10, 90) }, { arms: arms(3, 5), signals: ['refusal'] });
    await store.foldLook('late', NOON);
    const bad = { ...badOf('u1', 2), unit: undefined };
    await send(
      { generation: 11, arms: arms(50, 50), bad: [bad] },
      { requests: 0, bad: [bad, { ...bad, revisions: { router: 1 } }] },
    );
    const here = { signal: 'script-error', target: 'api-tpu', model: 'haiku' };
    expect((await store.foldLook('late', NOON)).cells).toEqual([
      { ...here, shareBp: 1_000, candidateBad: 1, candidateServed: 10, controlBad: 1, controlServed: 90 },
      { ...here, shareBp: 5_000, candidateBad: 1, candidateRequests: 50, controlBad: 0, controlRequests: 50 },
    ]);
    expect(await store.readLooks('late', 0)).toHaveLength(1);
  });
});
