import type { SourceView } from '#libs/contracts';
import type { AskedSignal, AskedSource } from './asked.js';
import { planSignal, readAskedState, type AskedState } from './source-state.js';
import { newestEnd } from './windows.js';

const iso = (time: number): string => new Date(time).toISOString();

type SignalView = SourceView['signals'][number];

const signalView = (state: AskedState, signal: AskedSignal, now: number): SignalView => {
  const known = state.signals[signal.signal];
  const blank = { signal: signal.signal, countedUntil: null, behindMs: null, error: null, skippedMs: 0, skipped: null };
  if (!known) return blank;
  const { skipped, skippedMs } = planSignal(known, signal, now).state;
  return {
    signal: signal.signal,
    countedUntil: known.counted === null ? null : iso(known.counted),
    behindMs: known.counted === null ? null : Math.max(0, newestEnd(signal.asked, now) - known.counted),
    error: known.error,
    skippedMs,
    skipped: skipped && { from: iso(skipped.from), until: iso(skipped.until) },
  };
};

/** A source that is this many windows behind is not well, whatever it last answered. */
const MOST_BEHIND = 5;

const stateOf = (source: AskedSource, { error }: AskedState, signals: readonly SignalView[]): SourceView['state'] => {
  if (source.signals.length === 0) return 'unused';
  const isLate = signals.some(({ behindMs, signal }) => {
    const every = source.signals.find((one) => one.signal === signal)?.asked.every ?? Number.POSITIVE_INFINITY;
    return behindMs !== null && behindMs > MOST_BEHIND * every;
  });
  if (error !== null || isLate || signals.some((signal) => signal.error !== null)) return 'failing';
  return signals.some(({ countedUntil }) => countedUntil === null) ? 'waiting' : 'ok';
};

/** A source as people read it; `stored` is what is remembered of it. `now` in epoch milliseconds. */
export const sourceView = (source: AskedSource, stored: unknown, now: number): SourceView => {
  const state = readAskedState(stored);
  const signals = source.signals.map((signal) => signalView(state, signal, now));
  const counted = signals.flatMap(({ countedUntil }) => (countedUntil === null ? [] : [countedUntil])).toSorted();
  const behind = signals.flatMap(({ behindMs }) => (behindMs === null ? [] : [behindMs]));
  return {
    source: source.source,
    type: source.connection.type,
    state: stateOf(source, state, signals),
    countedUntil: counted.at(-1) ?? null,
    behindMs: behind.length === 0 ? null : Math.max(...behind),
    askedAt: state.askedAt === 0 ? null : iso(state.askedAt),
    error: state.error ?? signals.find(({ error }) => error !== null)?.error ?? null,
    failingSince: state.failingSince === null ? null : iso(state.failingSince),
    signals,
  };
};
