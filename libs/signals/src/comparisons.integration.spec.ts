import { randomUUID } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { ComparisonBatch } from '#libs/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ComparisonIntake, ComparisonLookup } from './comparisons.js';
import {
  EvidenceBell,
  GroupCommitIntake,
  MemoryComparisonIntake,
  MemoryEvidenceStore,
  PostgresComparisonIntake,
  PostgresEvidenceStore,
  type EvidenceStore,
} from './index.js';
import { EvidenceRows } from './memory/rows.js';
import { batchOf, NOON, ToldExposures } from './spec-kit.js';

const REPORTER = { token: 'golden-set' };
let database: TestDatabase;
let number = 0;
let rollout = '';

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  rollout = `compared-${(number += 1)}`;
});

class Lookup extends ToldExposures implements ComparisonLookup {
  trials(config: string, revision: number) {
    const targets = new Set(['api-tpu', 'bedrock-east', 'api-gpu']);
    return config === 'router' && revision === 2 ? [{ rollout, startedAt: NOON - 60_000, targets }] : [];
  }
}

const comparison = (pairs: number, leftOnly = 0, rightOnly = 0, [left, right] = ['api-tpu', 'bedrock-east']) => ({
  signal: 'agreement',
  config: 'router',
  revision: 2,
  left,
  right,
  at: '2025-09-01T12:00:00Z',
  pairs,
  leftOnly,
  rightOnly,
});
const batch = (...comparisons: readonly object[]): ComparisonBatch =>
  ComparisonBatch.parse({ batch: randomUUID(), comparisons });

type Side = { readonly intake: ComparisonIntake; readonly store: EvidenceStore; readonly bell: EvidenceBell };

const inPostgres = (): Side => {
  const bell = new EvidenceBell();
  const intake = new PostgresComparisonIntake(database.pool, new Lookup(), bell);
  return { intake, store: new PostgresEvidenceStore(database.pool, bell), bell };
};
const inMemory = (): Side => {
  const rows = new EvidenceRows();
  const intake = new MemoryComparisonIntake(rows, new Lookup());
  return { intake, store: new MemoryEvidenceStore(rows), bell: new EvidenceBell() };
};

describe.each([
  ['in PostgreSQL', inPostgres],
  ['in memory', inMemory],
])('comparisons %s', (_, open) => {
  it('add up by signal and pair of targets, whichever is named first', async () => {
    const { intake, store } = open();
    await intake.submit(batch(comparison(100, 3, 1)), REPORTER, NOON);
    const turned = comparison(50, 2, 5, ['bedrock-east', 'api-tpu']);
    await intake.submit(batch(turned, comparison(10, 1, 0, ['api-gpu', 'bedrock-east'])), REPORTER, NOON);
    const of = { signal: 'agreement', right: 'bedrock-east', lastAt: NOON };
    expect(await store.comparisons(rollout)).toEqual([
      { ...of, left: 'api-gpu', pairs: 10, leftOnly: 1, rightOnly: 0 },
      { ...of, left: 'api-tpu', pairs: 150, leftOnly: 8, rightOnly: 3 },
    ]);
    expect(await store.comparisons('another')).toEqual([]);
  });

  it('count once, however often a batch is sent', async () => {
    const { intake, store } = open();
    const sent = batch(comparison(100, 3, 1));
    const first = await intake.submit(sent, REPORTER, NOON);
    const again = await Promise.all([1, 2].map(() => intake.submit(sent, REPORTER, NOON)));
    expect(first).toEqual({ batch: sent.batch, repeated: false, accepted: 1, rejected: [] });
    expect(again).toEqual([1, 2].map(() => ({ ...first, repeated: true })));
    expect(await store.comparisons(rollout)).toMatchObject([{ pairs: 100 }]);
  });

  it('are refused under the id of a batch with another content', async () => {
    const { intake, store } = open();
    const sent = batch(comparison(100));
    await intake.submit(sent, REPORTER, NOON);
    const other = await intake.submit({ ...batch(comparison(7)), batch: sent.batch }, REPORTER, NOON);
    expect(other).toMatchObject({ accepted: 0, rejected: [{ pointer: '/batch', code: 'batch-id-reused' }] });
    expect(await store.comparisons(rollout)).toMatchObject([{ pairs: 100 }]);
  });

  it('of which all are wrong leave their id free, to be sent again once the reason is mended', async () => {
    const { intake } = open();
    const wrong = batch({ ...comparison(1), revision: 3 });
    const mended = { ...batch(comparison(1)), batch: wrong.batch };
    expect(await intake.submit(wrong, REPORTER, NOON)).toMatchObject({ accepted: 0, rejected: [expect.anything()] });
    expect(await intake.submit(mended, REPORTER, NOON)).toMatchObject({ accepted: 1, repeated: false });
  });
});

describe('comparisons of several controllers', () => {
  it('are all counted when they come at once, from whichever', async () => {
    const sides = [inPostgres(), inPostgres()];
    await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        sides[n % 2]?.intake.submit(
          batch(comparison(1, 1, 0, ['api-gpu', 'bedrock-east']), comparison(2, 0, 1)),
          REPORTER,
          NOON,
        ),
      ),
    );
    expect(await sides[0]?.store.comparisons(rollout)).toMatchObject([
      { left: 'api-gpu', pairs: 20, leftOnly: 20 },
      { left: 'api-tpu', pairs: 40, rightOnly: 20 },
    ]);
  });

  it('ring for the rollouts that they are evidence for, and a repetition does not', async () => {
    const { intake, bell } = inPostgres();
    const rung: string[] = [];
    bell.listen((rollouts) => rung.push(...rollouts));
    const sent = batch(comparison(1));
    await intake.submit(sent, REPORTER, NOON);
    await intake.submit(sent, REPORTER, NOON);
    expect(rung).toEqual([rollout]);
  });

  it('share their ids with outcomes: one id stands for one thing', async () => {
    const { intake, bell } = inPostgres();
    const outcomes = new GroupCommitIntake(database.pool, new ToldExposures(), bell, { lingerMs: 0 });
    const sent = batchOf([{ requests: 5 }]);
    await outcomes.submit(sent, REPORTER, NOON);
    const receipt = await intake.submit({ ...batch(comparison(1)), batch: sent.batch }, REPORTER, NOON);
    expect(receipt).toMatchObject({ accepted: 0, rejected: [{ code: 'batch-id-reused' }] });
    await outcomes.close();
  });
});
