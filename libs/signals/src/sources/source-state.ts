import { z } from 'zod';
import type { Counted } from '../counted.js';
import type { Answer, AskedSignal, PointRefusal, Span } from './asked.js';
import { countPoints, type ModelsOf } from './count-points.js';
import { dueWindows, isDone, isTooLate, withDone } from './windows.js';

const SpanState = z.object({ from: z.number(), until: z.number() });

const SignalState = z.object({
  until: z.number(),
  ahead: z.array(z.number()).readonly(),
  remainders: z.record(z.string(), z.tuple([z.number(), z.number()]).readonly()),
  /** End of the newest window that was counted. */
  counted: z.number().nullable(),
  error: z.string().nullable(),
  skippedMs: z.number(),
  skipped: SpanState.nullable(),
});
export type SignalState = z.output<typeof SignalState>;

/** What is remembered of a source from one time it is asked to the next, as JSON. */
export const AskedState = z.object({
  kind: z.literal('asked'),
  askedAt: z.number(),
  /** Why the source as a whole could not be asked; null when it could. */
  error: z.string().nullable(),
  failingSince: z.number().nullable(),
  signals: z.record(z.string(), SignalState),
});
export type AskedState = z.output<typeof AskedState>;

const EMPTY: AskedState = { kind: 'asked', askedAt: 0, error: null, failingSince: null, signals: {} };

/** Reads a stored state; one that means nothing here is as none. */
export const readAskedState = (stored: unknown): AskedState => {
  const read = AskedState.safeParse(stored);
  return read.success ? read.data : EMPTY;
};

const FRESH = { remainders: {}, counted: null, error: null, skippedMs: 0, skipped: null };

const withSkipped = (state: SignalState, skipped: Span | undefined): SignalState =>
  skipped === undefined ? state : { ...state, skipped, skippedMs: state.skippedMs + (skipped.until - skipped.from) };

/** What is due of a signal, and its state with everything that lies too far back skipped. */
export const planSignal = (
  known: SignalState | undefined,
  { asked }: AskedSignal,
  now: number,
): { readonly state: SignalState; readonly due: readonly Span[] } => {
  const { progress, due, skipped } = dueWindows(known, asked, now);
  return { state: withSkipped({ ...FRESH, ...known, ...progress }, skipped), due };
};

type Sum = { state: SignalState; counted: Counted[]; refused: PointRefusal[]; failure: string | null };

const takeAnswer = (
  sum: Sum,
  signal: AskedSignal,
  { window, reading }: Answer,
  now: number,
  models: ModelsOf,
): void => {
  const { state } = sum;
  // Another controller has counted it meanwhile, or it was given up.
  if (isDone(state, window)) return;
  const done = (): SignalState => ({ ...state, ...withDone(state, window, signal.asked.every) });
  if (reading.kind === 'failed') {
    sum.failure = reading.words;
    return;
  }
  if (reading.kind === 'nothing') {
    sum.failure ??= reading.words;
    if (isTooLate(signal.asked, window, now)) sum.state = withSkipped(done(), window);
    return;
  }
  const { counted, refused, remainders } = countPoints(signal, window, reading.points, state.remainders, models);
  sum.counted.push(...counted);
  sum.refused.push(...reading.refused, ...refused);
  const newest = Math.max(state.counted ?? 0, window.until);
  sum.state = { ...done(), counted: newest, remainders };
};

const MOST_WORDS = 500;
const inWords = (words: string): string => words.slice(0, MOST_WORDS);

/**
 * Moves the state of a source on by what it answered: each window is counted once, by however many controllers, and a
 * window of which nothing is known is neither zero nor passed but asked for again until it is too late.
 * Signals that name this source no more are forgotten. Pure.
 */
export const takeAnswers = (
  stored: unknown,
  {
    signals,
    answers,
    models,
    now,
  }: {
    readonly signals: readonly AskedSignal[];
    readonly answers: readonly Answer[];
    readonly models: ModelsOf;
    readonly now: number;
  },
): {
  readonly state: AskedState;
  readonly counted: readonly Counted[];
  readonly refused: readonly PointRefusal[];
} => {
  const before = readAskedState(stored);
  const counted: Counted[] = [];
  const refused: PointRefusal[] = [];
  const after: Record<string, SignalState> = {};
  for (const signal of signals) {
    const sum: Sum = {
      state: planSignal(before.signals[signal.signal], signal, now).state,
      counted,
      refused,
      failure: null,
    };
    const countedBefore = counted.length;
    const refusedBefore = refused.length;
    const own = answers.filter((answer) => answer.signal === signal.signal);
    for (const answer of own) takeAnswer(sum, signal, answer, now, models);
    // Series of other places may be among them; where nothing else came, that is what is wrong.
    const [first] = refused.slice(refusedBefore);
    const isBare = counted.length === countedBefore;
    const words = sum.failure ?? (first && isBare ? `${first.where}: ${first.detail}` : null);
    const error = own.length === 0 ? sum.state.error : words === null ? null : inWords(words);
    after[signal.signal] = { ...sum.state, error };
  }
  const failed = answers.filter(({ reading }) => reading.kind === 'failed');
  const isDead = failed.length > 0 && failed.length === answers.length;
  const [worst] = failed;
  const error = isDead && worst?.reading.kind === 'failed' ? inWords(worst.reading.words) : null;
  const failingSince = error === null ? null : (before.failingSince ?? now);
  const state: AskedState = {
    kind: 'asked',
    askedAt: now,
    error: answers.length === 0 ? before.error : error,
    failingSince: answers.length === 0 ? before.failingSince : failingSince,
    signals: after,
  };
  return { state, counted, refused };
};
