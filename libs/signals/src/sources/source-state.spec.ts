import { describe, expect, it } from 'vitest';
import type { Answer, AskedSignal, Point, Reading } from './asked.js';
import { planSignal, readAskedState, takeAnswers } from './source-state.js';

const T = 1_800_000_000_000;
const window = (n: number) => ({ from: T + (n - 1) * 15_000, until: T + n * 15_000 });
const nowFor = (n: number): number => T + n * 15_000 + 15_000;

const errors: AskedSignal = {
  signal: 'errors',
  type: 'rate',
  asked: {
    type: 'prometheus',
    from: 'metrics',
    every: 15_000,
    delay: 15_000,
    requests: 'a',
    bad: 'b',
    scale: 1,
    labels: {},
  },
};

const point = (over: Partial<Point> = {}): Point => ({
  key: 'one',
  target: 'api-us',
  model: 'haiku',
  arm: { config: 'router', variant: 'r2', generation: undefined },
  bucket: undefined,
  requests: 10,
  bad: 1,
  values: undefined,
  ...over,
});

const measured = (...points: readonly Point[]): Reading => ({ kind: 'measured', points, refused: [] });
const nothing = { kind: 'nothing', words: 'no series' } as const;
const failed = { kind: 'failed', words: 'it did not answer' } as const;
const answer = (n: number, reading: Reading): Answer => ({ signal: 'errors', window: window(n), reading });
const models = (target: string) => (target === 'api-us' ? ['haiku'] : target === 'two' ? ['haiku', 'opus'] : undefined);

const take = (stored: unknown, n: number, ...answers: readonly Answer[]) =>
  takeAnswers(stored, { signals: [errors], answers, models, now: nowFor(n) });
const dueAfter = (stored: unknown, n: number): readonly number[] =>
  planSignal(readAskedState(stored).signals['errors'], errors, nowFor(n)).due.map(({ until }) => (until - T) / 15_000);

describe('what a source says', () => {
  it('is counted once, by whichever controller comes first', () => {
    const first = take(undefined, 1, answer(1, measured(point())));
    expect(first.counted).toEqual([
      {
        signal: 'errors',
        target: 'api-us',
        model: 'haiku',
        arm: { config: 'router', revision: 2 },
        ...window(1),
        requests: 10,
        bad: 1,
      },
    ]);
    const second = take(first.state, 1, answer(1, measured(point())));
    expect(second.counted).toEqual([]);
    expect(dueAfter(second.state, 2)).toEqual([2]);
  });

  it.each([
    ['nothing', nothing],
    ['no answer', failed],
  ])('rule 3: %s is never zero and never passed: the window stays due and is counted when it comes', (_, reading) => {
    const silent = take(take(undefined, 1, answer(1, measured(point()))).state, 2, answer(2, reading));
    expect(silent.counted).toEqual([]);
    expect(silent.state.signals['errors']?.error).toBe(reading.words);
    expect(dueAfter(silent.state, 3)).toEqual([2, 3]);
    const later = take(silent.state, 3, answer(3, measured(point())), answer(2, measured(point())));
    expect(later.counted).toHaveLength(2);
    expect(later.state.signals['errors']).toMatchObject({ error: null, skippedMs: 0 });
  });

  it('that is nothing for too long is given up, and said to be unknown', () => {
    const start = take(undefined, 1, answer(1, measured(point())));
    const late = take(start.state, 8, answer(2, nothing), answer(3, nothing));
    expect(late.counted).toEqual([]);
    expect(late.state.signals['errors']).toMatchObject({ skippedMs: 15_000, skipped: window(2) });
    expect(dueAfter(late.state, 8)).toEqual([3, 4, 5, 6, 7, 8]);
  });

  it('is asked for up to an hour later where there was no answer at all, so that an outage leaves no gap', () => {
    const start = take(undefined, 1, answer(1, measured(point())));
    const late = take(start.state, 200, answer(2, failed));
    expect(late.state).toMatchObject({ error: 'it did not answer', failingSince: nowFor(200) });
    expect(dueAfter(late.state, 200)[0]).toBe(2);
    expect(take(late.state, 201, answer(2, measured(point()))).state).toMatchObject({
      error: null,
      failingSince: null,
    });
    expect(take(late.state, 300).state.signals['errors']).toMatchObject({ skippedMs: (60 - 1) * 15_000 });
  });

  it('as parts is counted as whole numbers, and no part is lost', () => {
    let state: unknown;
    let [requests, bad] = [0, 0];
    for (let n = 1; n <= 40; n += 1) {
      const taken = take(state, n, answer(n, measured(point({ requests: 10.7, bad: 0.3 }))));
      state = JSON.parse(JSON.stringify(taken.state));
      requests += taken.counted[0]?.requests ?? 0;
      bad += taken.counted[0]?.bad ?? 0;
    }
    expect([requests, bad]).toEqual([428, 12]);
  });

  it.each([
    ['no-target', { target: undefined }],
    ['unknown-target', { target: 'elsewhere' }],
    ['no-model', { target: 'two', model: undefined }],
    ['not-a-revision', { arm: { config: 'router', variant: 'blue', generation: undefined } }],
    ['not-a-revision', { arm: { config: 'router', variant: 'r2', generation: 'x' } }],
    ['not-a-bucket', { bucket: '1.5' }],
    ['not-a-count', { requests: -1 }],
    ['not-a-count', { bad: Number.NaN }],
    ['more-bad-than-requests', { bad: 20 }],
  ] as const)('is refused with a reason where it makes no sense (%s), and the rest is kept', (code, over) => {
    const { counted, refused } = take(undefined, 1, answer(1, measured(point({ key: 'wrong', ...over }), point())));
    expect(refused).toMatchObject([{ code, where: 'signal errors, series wrong' }]);
    expect(counted).toHaveLength(1);
  });

  it('rule 3: of a window without requests measures nothing, and is not asked for again', () => {
    const { counted, refused, state } = take(undefined, 1, answer(1, measured(point({ requests: 0, bad: 0 }))));
    expect([counted, refused]).toEqual([[], []]);
    expect(dueAfter(state, 1)).toEqual([]);
  });

  it('of the only model of a target needs no label of the model', () => {
    const { counted } = take(undefined, 1, answer(1, measured(point({ model: undefined }))));
    expect(counted).toMatchObject([{ model: 'haiku' }]);
  });

  it('of a signal that names the source no more is forgotten', () => {
    const { state } = take(undefined, 1, answer(1, measured(point())));
    const after = takeAnswers(state, { signals: [], answers: [], models, now: nowFor(2) });
    expect(after.state.signals).toEqual({});
  });
});
