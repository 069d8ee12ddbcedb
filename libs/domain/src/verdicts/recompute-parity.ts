import type { RecordedParity } from '../events/index.js';
import { judgeCounts, PARITY_METHOD } from '../rollout/index.js';
import type { LoggedEvent } from './recompute.js';

/** A recorded judgement of parity computed again from its counts. `differs` names what does not fit. */
export type RecomputedParity = {
  readonly position: number;
  readonly parity: RecordedParity;
  readonly differs: readonly string[];
  /** Why it cannot be computed again; null where it was. */
  readonly skipped: string | null;
};

/** Logarithms may end in other digits on another machine. */
const CLOSE = 1e-9;

const isClose = (a: number, b: number): boolean => Math.abs(a - b) <= CLOSE * Math.max(1, Math.abs(a), Math.abs(b));

const differences = (parity: RecordedParity): readonly string[] => {
  const again = judgeCounts(parity.track, parity, parity.counts);
  const differs: string[] = [];
  if (again.verdict !== parity.verdict) differs.push(`verdict ${again.verdict}`);
  if (again.difference !== parity.difference) differs.push(`difference ${again.difference}`);
  if (again.interval.some((end, side) => end !== parity.interval[side]))
    differs.push(`interval ${again.interval.join(' to ')}`);
  for (const field of ['logE', 'logBound', 'logAgainst', 'logAgainstBound'] as const)
    if (!isClose(again[field], parity[field])) differs.push(`${field} ${again[field]}`);
  return differs;
};

/** Every recorded judgement of parity, computed again: it rests on its counts alone. */
export const recomputeParities = (events: readonly LoggedEvent[]): readonly RecomputedParity[] =>
  events.flatMap(({ position, event }): readonly RecomputedParity[] => {
    if (event.type !== 'ParityJudged') return [];
    const { parity } = event.data;
    return parity.method === PARITY_METHOD
      ? [{ position, parity, differs: differences(parity), skipped: null }]
      : [{ position, parity, differs: [], skipped: `method ${parity.method} is not of this build` }];
  });
