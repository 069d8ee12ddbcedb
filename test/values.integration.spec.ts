import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest, plan, TARGETS, track, world } from '#test/kit/manifests';
import { reachesStatus } from '#test/kit/rollouts';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
let router: string;
let count = 0;

const client = () => clientOf(controller.operator);
const apply = (...manifests: ReturnType<typeof world>) => client().apply({ manifests, reason: 'for the test' });

/** Values that are spread around one: the same for the same number, whatever the revision. */
const around = (typical: number, n: number): number => typical * (0.7 + ((n * 7919) % 601) / 1_000);

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  await apply(
    ...world(),
    manifest('Signal', 'first-token', { type: 'distribution', title: 'time to first token', unit: 'ms' }),
    manifest('Signal', 'score', { type: 'mean', title: 'answer scores', range: [0, 1], worse: 'lower' }),
    manifest('Signal', 'disagreement', { type: 'paired', title: 'answers that differ from the reference' }),
    plan('by-values', [track('api', ['api-tpu'])], {
      signals: [{ signal: 'first-token' }, { signal: 'score', tolerate: 1.2 }],
    }),
    plan('by-pairs', [track('api', ['api-tpu'])], { signals: [{ signal: 'disagreement', tolerate: 'none' }] }),
  );
});

beforeEach(async () => {
  count += 1;
  router = `router-${count}`;
  await apply(config(router, { window: 200_000 }));
  await apply(config(router, { window: 1_000_000 }));
  fleet = new TinyFleet(() => controller.service, TARGETS);
});

afterEach(() => fleet.stop());

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

const measure = (slower: number, score: number): void => {
  fleet.measurements = [
    {
      config: router,
      signal: 'first-token',
      perWindow: 200,
      valueOf: (revision, n) => around(400, n) * (revision === 2 ? slower : 1),
    },
    {
      config: router,
      signal: 'score',
      perWindow: 200,
      valueOf: (revision, n) => around(0.7, n) * (revision === 2 ? score : 1),
    },
  ];
};

const start = async (name: string) => {
  fleet.start();
  await until('there is traffic', () => TARGETS.every((target) => (fleet.counted.get(target) ?? 0) > 0));
  return client().start({ config: router, plan: name, reason: 'a wider window' });
};

describe('A change that is judged by values', () => {
  it('goes out when neither latencies nor scores are worse, and says what both came to', async () => {
    measure(1, 1);
    const { id } = await start('by-values');
    const settled = await reachesStatus(client(), id, 'settled');
    const sentences = settled.verdicts.map(({ sentence }) => sentence);
    expect(sentences.find((each) => each.startsWith('time to first token'))).toMatch(
      /median \d+ ms, p99 \d+ ms over [\d,]+ values on the candidate against median .*; shown to be below x1\.5/,
    );
    expect(sentences.find((each) => each.startsWith('answer scores'))).toMatch(
      /0\.\d+ over [\d,]+ values on the candidate/,
    );
    expect(fleet.rejected).toEqual([]);
  });

  it('is taken back when it is slower, with the latencies of both arms as its cause, and the verdict comes out again', async () => {
    measure(1.4, 1);
    const { id } = await start('by-values');
    const { cause } = await reachesStatus(client(), id, 'rolled-back');
    expect(cause).toMatch(/^time to first token on api-tpu: median .*; shown to be higher than control, about x1\.\d+/);
    const { signals } = await client().evidence(id, 'first-token');
    expect(signals[0]?.pools[0]?.reachedAt).not.toBeNull();
    expect(signals[0]?.verdicts.find(({ verdict }) => verdict === 'fail')?.values?.candidate?.count).toBeGreaterThan(0);
  });

  it('is taken back when its scores are lower', async () => {
    measure(1, 0.85);
    const { id } = await start('by-values');
    const { cause } = await reachesStatus(client(), id, 'rolled-back');
    expect(cause).toMatch(/^answer scores on api-tpu: 0\.\d+ over .*; shown to be lower than control, about x0\.8/);
  });

  it('does not pass as long as one of its signals is not measured', async () => {
    measure(1, 1);
    fleet.measurements = fleet.measurements.slice(0, 1);
    const { id } = await start('by-values');
    await until('the other signal has been judged', async () => {
      const { verdicts } = await client().rollout(id);
      return verdicts.find(({ signal, verdict }) => signal === 'first-token' && verdict !== 'not-measured');
    });
    const { verdicts, status } = await client().rollout(id);
    expect(status).toBe('staging');
    expect(verdicts.find(({ signal }) => signal === 'score')).toMatchObject({
      verdict: 'not-measured',
      sentence: 'answer scores: no value measured on the candidate yet',
    });
  });
});

describe('A change that is judged by pairs', () => {
  const send = async (candidateOnly: number, controlOnly: number): Promise<void> => {
    const generation = Number(fleet.rulesets.get('api-tpu')?.metadata.version);
    const pair = { signal: 'disagreement', config: router, revision: 2, pairs: 100, candidateOnly, controlOnly };
    const from = new Date(Date.now() - 200).toISOString();
    const window = { from, ms: 200, model: 'haiku', generation, requests: 0, arms: [], pairs: [pair] };
    const windows = [window];
    await clientOf(controller.service).sendOutcomes({
      batch: randomUUID(),
      target: 'api-tpu',
      instance: 'probe',
      windows,
    });
  };

  it('is taken back by pairs of which only the candidate is bad', async () => {
    const { id } = await start('by-pairs');
    await until('the candidate is served', () => fleet.arms('api-tpu', router).some(({ revision }) => revision === 2));
    await send(20, 1);
    await send(20, 2);
    const { cause } = await reachesStatus(client(), id, 'rolled-back');
    expect(cause).toMatch(/^answers that differ from the reference on api-tpu: \d+ of \d+ on the candidate against/);
  });
});
