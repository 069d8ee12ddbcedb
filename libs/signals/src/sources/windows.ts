import type { Span } from './asked.js';

/** How far one signal was counted: everything before `until`, and the windows that end at `ahead` after it. */
export type Progress = { readonly until: number; readonly ahead: readonly number[] };

export type Rhythm = { readonly every: number; readonly delay: number };

/** A window that nothing was known of is given up when it is older than so many windows. */
const LATE_WINDOWS = 5;
/** After an outage, at most so much of the past is asked for. */
export const MOST_CATCH_UP_MS = 3_600_000;

/** End of the newest window that may be asked for at `now`. */
export const newestEnd = ({ every, delay }: Rhythm, now: number): number => Math.floor((now - delay) / every) * every;

/** When the window after the newest one may be asked for, in epoch milliseconds. */
export const nextDue = (rhythm: Rhythm, now: number): number => newestEnd(rhythm, now) + rhythm.every + rhythm.delay;

/** Where a signal begins that was never asked for: with its newest whole window. */
const begin = (rhythm: Rhythm, now: number): Progress => ({ until: newestEnd(rhythm, now) - rhythm.every, ahead: [] });

/** The first end of a window of this rhythm after a time: a rhythm may have changed. */
const alignUp = (time: number, every: number): number => Math.ceil(time / every) * every;

const settle = (until: number, ahead: readonly number[], every: number): Progress => {
  let low = until;
  const rest = new Set(ahead.filter((end) => end > low));
  while (rest.delete(low + every)) low += every;
  return { until: low, ahead: [...rest].toSorted((a, b) => a - b) };
};

/**
 * The windows that are due, oldest first, and what lies too far back to be asked for. `skipped` is a span of which
 * nothing will be known; progress is moved past it.
 */
export const dueWindows = (
  known: Progress | undefined,
  rhythm: Rhythm,
  now: number,
): { readonly progress: Progress; readonly due: readonly Span[]; readonly skipped: Span | undefined } => {
  const { every } = rhythm;
  const end = newestEnd(rhythm, now);
  const before = known ?? begin(rhythm, now);
  const low = Math.max(alignUp(before.until, every), end - Math.floor(MOST_CATCH_UP_MS / every) * every);
  const skipped = low > before.until && known ? { from: before.until, until: low } : undefined;
  const progress = settle(low, before.ahead, every);
  const done = new Set(progress.ahead);
  const due: Span[] = [];
  for (let until = progress.until + every; until <= end; until += every)
    if (!done.has(until)) due.push({ from: until - every, until });
  return { progress, due, skipped };
};

export const isDone = ({ until, ahead }: Progress, window: Span): boolean =>
  window.until <= until || ahead.includes(window.until);

/** Progress with one more window that is not asked for any more. */
export const withDone = (progress: Progress, window: Span, every: number): Progress =>
  isDone(progress, window) ? progress : settle(progress.until, [...progress.ahead, window.until], every);

/** Whether a window of which nothing is known is given up: a late scrape would have come by now. */
export const isTooLate = ({ every, delay }: Rhythm, window: Span, now: number): boolean =>
  now - delay - window.until > LATE_WINDOWS * every;
