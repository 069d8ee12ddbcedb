import type { Rollout } from './rollout.state.js';

type Signal = Rollout['plan']['signals'][number];

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `2h`, `1h 30m`, `12m`, `0s`: whole units, at most two of them, rounded down. */
export const roughly = (ms: number): string => {
  const first = UNITS.findIndex(([, size]) => ms >= size);
  if (first < 0) return '0s';
  const [[unit, size] = ['s', 1_000], next] = UNITS.slice(first);
  const count = Math.floor(ms / size);
  const rest = next === undefined ? 0 : Math.floor((ms - count * size) / next[1]);
  return rest > 0 && next !== undefined ? `${count}${unit} ${rest}${next[0]}` : `${count}${unit}`;
};

/**
 * Signals that decide and of which the outcomes of the first requests need not be known yet after so much of a stage. A
 * rollout that goes without stages waits for none.
 */
export const notYetKnown = (
  { plan, bypass }: Pick<Rollout, 'plan' | 'bypass'>,
  lastedMs: number,
): readonly (Signal & { readonly delayMs: number })[] =>
  bypass !== null
    ? []
    : plan.signals.flatMap((signal) => {
        const { delayMs, shadow } = signal;
        return delayMs === null || shadow || lastedMs >= delayMs ? [] : [{ ...signal, delayMs }];
      });
