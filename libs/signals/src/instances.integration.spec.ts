import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore } from './index.js';
import { batchOf, exposureOf, NOON, ToldExposures, type WindowInput } from './spec-kit.js';

let database: TestDatabase;
let intake: GroupCommitIntake;
let store: PostgresEvidenceStore;
let number = 0;
let rollout = '';

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => {
  rollout = `builds-${(number += 1)}`;
  const exposures = new ToldExposures();
  const draw = { candidate: new Set(['one', 'two']), kept: new Set(['one']), control: new Set(['three']) };
  exposures.tell('api-tpu', 'router', 10, exposureOf(rollout, 5_000, { assignment: 'instance', draw }));
  exposures.tell('api-tpu', 'router', 11, exposureOf(rollout, 10_000, { assignment: 'instance' }));
  const bell = new EvidenceBell();
  intake = new GroupCommitIntake(database.pool, exposures, bell, { lingerMs: 0 });
  store = new PostgresEvidenceStore(database.pool, bell);
});

const send = (instance: string, window: WindowInput) =>
  intake.submit(batchOf([window], { instance }), { token: 'fleet' }, NOON);
const arm = (revision: number, requests = 100, more = {}) => ({ config: 'router', revision, requests, ...more });
const bad = (revision: number, signal = 'script-error') => ({ signal, revisions: { router: revision } });
const cellsOf = async (signal: string) =>
  (await store.foldLook(rollout, NOON)).cells.filter((cell) => cell.signal === signal);

describe('a config that is assigned by instance', () => {
  it('is counted instance by instance, each with its place in the draw, over all windows of a look', async () => {
    await send('two', { arms: [arm(2)], bad: [bad(2), bad(2)] });
    await send('three', { arms: [arm(1)], bad: [bad(1)] });
    await send('two', { arms: [arm(2, 50)] });
    await send('one', { arms: [arm(2, 70)] });
    await send('four', { arms: [arm(1, 30)] });
    const cells = await cellsOf('script-error');
    expect(cells).toEqual([
      {
        signal: 'script-error',
        target: 'api-tpu',
        model: 'haiku',
        shareBp: 5_000,
        candidateBad: 2,
        controlBad: 1,
        drawn: 2,
        instances: [
          ['four', 'late', 30, 0],
          ['one', 'kept', 70, 0],
          ['three', 'spared', 100, 1],
          ['two', 'chosen', 150, 2],
        ],
      },
    ]);
    expect(await cellsOf('script-error')).toEqual([]);
  });

  it('needs no units: an instance is what activation counts', async () => {
    await send('two', { arms: [arm(2, 100, { units: ['u1', 'u2', 'u3'] })] });
    await send('three', { arms: [arm(1)] });
    await send('one', { arms: [arm(2, 0)] });
    expect(await store.activation(rollout)).toEqual([{ target: 'api-tpu', model: 'haiku', units: 1 }]);
  });

  it.each([
    ['was chosen reports control', 'two', 1],
    ['was left on control reports the candidate', 'three', 2],
    ['came after the draw reports the candidate', 'four', 2],
  ])('refuses what an instance that %s, and says with which key to evaluate', async (_, instance, revision) => {
    const answer = await send(instance, { arms: [arm(revision)], bad: [bad(revision)] });
    expect(answer.rejected.map(({ pointer, code }) => [pointer, code])).toEqual([
      ['/windows/0/bad/0/revisions/router', 'arm-mismatch'],
      ['/windows/0/arms/0/revision', 'arm-mismatch'],
    ]);
    expect(answer.rejected[0]?.detail).toContain(`evaluate router with the instance's id as targetingKey`);
    expect(await cellsOf('script-error')).toEqual([]);
  });

  it('refuses the second arm of an instance that reports both under one generation, and keeps the first', async () => {
    const { rejected } = await send('two', { arms: [arm(2), arm(1)] });
    expect(rejected).toMatchObject([{ pointer: '/windows/0/arms/1/revision', code: 'arm-mismatch' }]);
    expect((await cellsOf('script-error'))[0]?.instances).toEqual([['two', 'chosen', 100, 0]]);
  });

  it('is no evidence where every instance serves the candidate, and proves activation all the same', async () => {
    await send('three', { generation: 11, arms: [arm(2)], bad: [bad(2)] });
    expect(await cellsOf('script-error')).toEqual([]);
    expect(await store.activation(rollout)).toHaveLength(1);
    const { rejected } = await send('three', { generation: 11, arms: [arm(1)] });
    expect(rejected).toMatchObject([{ code: 'arm-mismatch' }]);
  });

  it('sums values, of a distribution their logarithms, and counts them as samples of their arm', async () => {
    const value = (signal: string, revision: number, each: number, count = 1) => ({
      signal,
      value: each,
      count,
      revisions: { router: revision },
    });
    await send('two', { arms: [arm(2)], values: [value('score', 2, 0.25, 4), value('score', 2, 0.5)] });
    await send('three', { arms: [arm(1)], values: [value('first-token', 1, 1)] });
    const cells = (await store.foldLook(rollout, NOON)).cells;
    expect(cells.find(({ signal }) => signal === 'score')).toMatchObject({
      candidateBad: 0,
      instances: [['two', 'chosen', 5, 1.5]],
    });
    const [[, , count, sum] = ['', '', 0, 1]] = cells.find(({ signal }) => signal === 'first-token')?.instances ?? [];
    expect([count, Math.abs(Number(sum)) < 0.02]).toEqual([1, true]);
    expect((await store.requests(rollout)).samples).toEqual([
      { signal: 'first-token', target: 'api-tpu', model: 'haiku', candidate: 0, control: 1 },
      { signal: 'score', target: 'api-tpu', model: 'haiku', candidate: 5, control: 0 },
    ]);
  });

  it('leaves requests out in which a signal was not measured', async () => {
    await send('two', { arms: [arm(2)], signals: ['refusal'] });
    expect(await cellsOf('refusal')).toHaveLength(1);
    await send('two', { arms: [arm(2)], signals: ['refusal'] });
    expect(await cellsOf('script-error')).toEqual([]);
  });

  it('counts violations of an invariant as ever, and as a rate by instance as well', async () => {
    await send('two', { arms: [arm(2)], bad: [bad(2, 'misrouted')] });
    const report = await store.violations(rollout, 'misrouted', { lookBackMs: 60_000, now: NOON });
    expect(report.candidate).toMatchObject([{ violations: 1 }]);
    expect(report.first?.instance).toBe('two');
    expect((await cellsOf('misrouted'))[0]?.instances).toEqual([['two', 'chosen', 100, 1]]);
  });
});
