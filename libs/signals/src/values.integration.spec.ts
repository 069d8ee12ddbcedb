import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { binOf } from './bins.js';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore } from './index.js';
import { batchOf, exposureOf, NOON, ToldExposures, type WindowInput } from './spec-kit.js';

const REPORTER = { token: 'tpu-fleet' };
let database: TestDatabase;
let exposures: ToldExposures;
let intake: GroupCommitIntake;
let store: PostgresEvidenceStore;
let number = 0;
let rollout = '';

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  rollout = `values-${(number += 1)}`;
  exposures = new ToldExposures();
  exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 1_000));
  const bell = new EvidenceBell();
  intake = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
  store = new PostgresEvidenceStore(database.pool, bell);
});

const send = (window: WindowInput) => intake.submit(batchOf([window]), REPORTER, NOON);
const valueOf = (unit: string, revision: number, value: number, signal = 'first-token') => ({
  signal,
  value,
  unit,
  revisions: { router: revision },
});
const cellsOf = async () => (await store.foldLook(rollout, NOON)).cells;

describe('values of a config that is assigned by unit', () => {
  it('count once for each unit, whenever it comes again, in bins with both arms', async () => {
    await send({ values: [valueOf('u1', 2, 812), valueOf('u2', 1, 500), valueOf('u1', 2, 90)] });
    await send({ values: [valueOf('u3', 2, 812), valueOf('u2', 1, 7)] });
    const [low, high] = [binOf(500, 'by-size'), binOf(812, 'by-size')];
    expect(await cellsOf()).toEqual([
      {
        bins: [
          [low, 0, 1],
          [high, 2, 0],
        ],
        candidateBad: 0,
        controlBad: 0,
        model: 'haiku',
        shareBp: 1_000,
        signal: 'first-token',
        target: 'api-tpu',
      },
    ]);
    const { samples } = await store.requests(rollout);
    expect(samples).toEqual([{ signal: 'first-token', target: 'api-tpu', model: 'haiku', candidate: 2, control: 1 }]);
  });

  it('are taken by one look, and the stored look is what was taken', async () => {
    await send({ values: [valueOf('u1', 2, 0.5, 'score')], bad: [] });
    const look = await store.foldLook(rollout, NOON);
    await send({ values: [valueOf('u2', 1, 1, 'score')] });
    const next = await store.foldLook(rollout, NOON);
    expect(await store.readLooks(rollout, 0)).toEqual([look, next]);
    expect(next.cells[0]?.bins).toEqual([[1, 0, 1]]);
  });

  it('are refused one by one: without a unit, out of range, of a signal that is of another kind, several of one unit', async () => {
    const { unit: _, ...nobodys } = valueOf('u1', 2, 1, 'score');
    const receipt = await send({
      values: [
        nobodys,
        valueOf('u1', 2, 1.5, 'score'),
        valueOf('u1', 2, -3),
        valueOf('u1', 2, 1, 'script-error'),
        valueOf('u1', 2, 1, 'unheard-of'),
        { ...valueOf('u1', 2, 1, 'score'), count: 2 },
        valueOf('u9', 2, 0.25, 'score'),
      ],
      bad: [{ signal: 'score', unit: 'u1', revisions: { router: 2 } }],
    });
    expect(receipt.rejected.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/windows/0/bad/0/signal', 'wrong-kind-of-signal'],
      ['/windows/0/values/0/unit', 'unit-required'],
      ['/windows/0/values/1/value', 'value-out-of-range'],
      ['/windows/0/values/2/value', 'value-out-of-range'],
      ['/windows/0/values/3/signal', 'wrong-kind-of-signal'],
      ['/windows/0/values/4/signal', 'unknown-signal'],
      ['/windows/0/values/5/count', 'one-value-per-unit'],
    ]);
    expect((await cellsOf()).map(({ bins }) => bins)).toEqual([[[0.25, 1, 0]]]);
  });
});

describe('values of a config that is assigned by request', () => {
  it('all count, as often as they were seen', async () => {
    exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 2_000, { assignment: 'request' }));
    const value = (revision: number, count: number) => ({
      signal: 'score',
      value: 0.5,
      count,
      revisions: { router: revision },
    });
    await send({ values: [value(2, 3), value(1, 20), value(2, 4)] });
    expect((await cellsOf()).map(({ bins }) => bins)).toEqual([[[0.5, 7, 20]]]);
  });
});

describe('pairs', () => {
  const pairs = (more: object = {}) => ({
    signal: 'agreement',
    config: 'router',
    revision: 2,
    pairs: 100,
    candidateOnly: 3,
    controlOnly: 1,
    ...more,
  });

  it('bring those that differ to the looks, and are all counted as work of both arms', async () => {
    await send({ pairs: [pairs(), pairs({ candidateOnly: 0, controlOnly: 0 })] });
    expect(await cellsOf()).toMatchObject([{ signal: 'agreement', candidateBad: 3, controlBad: 1 }]);
    expect((await store.requests(rollout)).samples).toMatchObject([{ candidate: 200, control: 200 }]);
  });

  it('are refused where they cannot be: more that differ than there are, or with the control named', async () => {
    const receipt = await send({ pairs: [pairs({ pairs: 3 }), pairs({ revision: 1 }), pairs({ signal: 'score' })] });
    expect(receipt.rejected.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/windows/0/pairs/0/pairs', 'more-than-pairs'],
      ['/windows/0/pairs/1/revision', 'not-the-candidate'],
      ['/windows/0/pairs/2/signal', 'wrong-kind-of-signal'],
    ]);
  });
});

describe('bins', () => {
  it('are 2% apart for sizes, so that a value is never off by more than 1%', () => {
    for (const value of [0.02, 1, 37, 812.3, 59_000]) {
      const bin = binOf(value, 'by-size') ?? Number.NaN;
      expect(Math.abs(bin / value - 1)).toBeLessThan(0.0101);
    }
    expect(binOf(0, 'by-size')).toBeGreaterThan(0);
  });

  it('keep both limits of a mean as they are, and 1/64 of the range between', () => {
    const score = { low: 0, high: 1 };
    expect([0, 1, 0.5].map((value) => binOf(value, score))).toEqual([0, 1, 0.5]);
    expect(binOf(0.31, score)).toBe(0.3125);
    expect(binOf(1.0001, score)).toBeUndefined();
  });
});
