import { createHash } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  AlteredLookError,
  EvidenceBell,
  GroupCommitIntake,
  LookCompaction,
  PostgresEvidenceStore,
  PostgresFoldSnapshots,
} from './index.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures } from './spec-kit.js';

const MINUTE = 60_000;
const LATER = NOON + 31 * 86_400_000;

const chained = (before: string, look: string): string =>
  createHash('sha256')
    .update(before + look)
    .digest('hex');

let database: TestDatabase;
let store: PostgresEvidenceStore;
let intake: GroupCommitIntake;
let compaction: LookCompaction;
let units = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  const exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf('ended', 1_000));
  exposures.tell('api-tpu', 'router', 11, exposureOf('other', 1_000));
  const bell = new EvidenceBell();
  intake = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
  store = new PostgresEvidenceStore(database.pool, bell);
  compaction = new LookCompaction(database.pool, chained);
});
beforeEach(() => database.clear());
afterAll(() => database.drop());

const report = (generation = 10): Promise<unknown> =>
  intake.submit(batchOf([{ generation, bad: [badOf(`u${(units += 1)}`, 2)] }]), { token: 'fleet' }, NOON);

/** Six looks with a bad outcome each, 20 minutes apart. */
const looked = async (rollout = 'ended', generation = 10): Promise<void> => {
  for (let n = 0; n < 6; n += 1) {
    await report(generation);
    await store.foldLook(rollout, NOON + n * 20 * MINUTE);
  }
};
const ended = (...rollouts: readonly string[]) => rollouts.map((rollout) => ({ rollout, named: async () => [] }));
const badIn = async (rollout: string) => (await store.readLooks(rollout, 0)).map(({ cells }) => cells[0]?.candidateBad);

describe('The looks of a rollout that has ended', () => {
  it('become one for each hour, which says what it stands for, and once', async () => {
    await looked();
    const before = await store.readLooks('ended', 0);
    const chain = before.reduce((digest, look) => chained(digest, look.digest), '');
    expect(await compaction.compact(ended('ended'), LATER)).toBe(1);
    expect(await badIn('ended')).toEqual([3, 3]);
    const [first, last] = await store.readLooks('ended', 0);
    expect(first).toMatchObject({ look: 3, at: NOON + 40 * MINUTE, compacted: { at: LATER, looks: 3 } });
    expect(last).toMatchObject({ look: 6, at: NOON + 100 * MINUTE, compacted: { at: LATER, looks: 3, chain } });
    expect(await store.readLooks('ended', 3)).toHaveLength(1);
    expect(await store.lookCount('ended')).toBe(6);
    expect(await compaction.compact(ended('ended'), LATER + 1)).toBe(0);
  });

  it('are compacted by one of several controllers', async () => {
    await looked();
    const all = await Promise.all([1, 2, 3].map(() => compaction.compact(ended('ended'), LATER)));
    expect(all.reduce((sum, each) => sum + each, 0)).toBe(1);
    expect(await badIn('ended')).toEqual([3, 3]);
  });

  it('leave those of others alone, and take with them what had come after the last of them', async () => {
    await looked();
    await looked('other', 11);
    await report();
    await report(11);
    await compaction.compact(ended('ended'), LATER);
    expect(await badIn('other')).toEqual([1, 1, 1, 1, 1, 1]);
    const { rows } = await database.pool.query('select rollout from evidence.pending');
    expect(rows).toEqual([{ rollout: 'other' }]);
  });

  it('stay as they are where one was altered, and others are compacted all the same', async () => {
    await looked();
    await looked('other', 11);
    await database.pool.query(`update evidence.looks set cells = '[]' where rollout = 'ended' and look = 2`);
    await expect(compaction.compact(ended('ended', 'other'), LATER)).rejects.toThrow(AlteredLookError);
    const { rows } = await database.pool.query(`select count(*)::int as n from evidence.looks where rollout = 'ended'`);
    expect(rows).toEqual([{ n: 6 }]);
    expect(await badIn('other')).toEqual([3, 3]);
  });

  it('rule 12: that was compacted and then altered is found', async () => {
    await looked();
    await compaction.compact(ended('ended'), LATER);
    await database.pool.query(`update evidence.looks set cells = replace(cells, ':3', ':2') where rollout = 'ended'`);
    await expect(store.readLooks('ended', 0)).rejects.toThrow(AlteredLookError);
  });

  it('leave no fold behind', async () => {
    const snapshots = new PostgresFoldSnapshots(database.pool);
    await snapshots.write('ended', 3, Buffer.from('x'));
    await snapshots.write('runs', 3, Buffer.from('x'));
    expect(await compaction.dropSnapshots(['ended'])).toBe(1);
    expect(await snapshots.read('runs')).toBeDefined();
  });
});
