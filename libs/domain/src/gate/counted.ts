import { addMoments, logSumExp, meanInterval, noMoments, RATIO_GRID, type Moments } from '#libs/statistics';
import type { SignalEvidence } from './state.js';
import { BEFORE_AFTER, isOfValues, type ArmCounts, type GateMethod, type SignalSpec } from './types.js';
import { candidateMoments } from './values.js';

/** How far apart units are, at the slice where they are furthest. */
export const spreadOf = ({ cells }: SignalEvidence): number => {
  let most = 1;
  for (const { dispersion } of cells.values()) if (dispersion > most) most = dispersion;
  return most;
};

/**
 * The evidence of harm in what a source counted: ln E over the dispersion, since counts that come in clumps are worth as
 * many events fewer (quasi-likelihood). Without units it is an approximation.
 */
export const strengthOf = (signal: SignalEvidence): number => signal.logE / spreadOf(signal);

const logMean = (logs: readonly number[]): number => logSumExp(logs) - Math.log(logs.length);

/**
 * Logarithm of the e-value for "the rate is above `limit`" against "at most that", by `bad` of `requests`: an equal
 * mixture of Poisson likelihood ratios over the grid. An e-process at every look for Poisson or Bernoulli events.
 */
const logAboveLimit = (bad: number, requests: number, limit: number): number => {
  if (limit === 0) return bad > 0 ? Number.POSITIVE_INFINITY : 0;
  return logMean(RATIO_GRID.map((ratio) => bad * Math.log(ratio) - requests * limit * (ratio - 1)));
};

/**
 * The same for "the rate has grown since", by what there was before: given all bad events each was before or since as a
 * coin falls whose weight is the requests (2.1 of the rate grid). The same past stands against every look, and nothing
 * was randomised: what it shows may have another cause.
 */
const logWorseThanBefore = (
  { candidateBad, candidateRequests, controlBad, controlRequests }: ArmCounts,
  harm: number,
) => {
  if (candidateRequests === 0 || controlRequests === 0) return 0;
  const rho = candidateRequests / (candidateRequests + controlRequests);
  const at = (ratio: number): number =>
    candidateBad * Math.log(ratio) - (candidateBad + controlBad) * Math.log(rho * ratio + 1 - rho);
  return logMean(RATIO_GRID.map((ratio) => at(harm * ratio) - at(harm)));
};

/** Whether a limit is shown to be passed by what the candidate, or the slice since the rollout, came to. */
export const isPastLimit = (
  signal: SignalEvidence,
  counts: ArmCounts,
  targets: ReadonlySet<string> | null,
): boolean => {
  const { limit, worse = 'higher' } = signal.spec;
  if (limit === undefined) return false;
  const spread = spreadOf(signal);
  if (!isOfValues(signal.spec))
    return logAboveLimit(counts.candidateBad, counts.candidateRequests, limit) / spread >= signal.logBound;
  const interval = meanInterval(momentsOn(signal, targets), Math.exp(-signal.logBound));
  if (interval === null) return false;
  return worse === 'higher' ? interval.low > limit : interval.high < limit;
};

const momentsOn = (signal: SignalEvidence, targets: ReadonlySet<string> | null): Moments => {
  const all = noMoments();
  for (const { key, values } of signal.cells.values()) {
    if (values === null || (targets !== null && !targets.has(key.target))) continue;
    addMoments(all, candidateMoments(signal.spec, values));
  }
  return all;
};

/** Whether the slices are shown to be worse than they were before the rollout. */
export const isWorseThanBefore = (signal: SignalEvidence, counts: ArmCounts): boolean =>
  logWorseThanBefore(counts, signal.spec.harm ?? 1) / spreadOf(signal) >= signal.logBound;

const COUNTED = {
  rate: 'counted-rate-v1',
  mean: 'counted-mean-v1',
  distribution: 'counted-distribution-v1',
} as const;

export const countedMethod = ({ type, frequent }: SignalSpec, isBefore: boolean): GateMethod => {
  if (isBefore) return BEFORE_AFTER;
  if (frequent === true) return 'counted-odds-v1';
  return COUNTED[type as keyof typeof COUNTED] ?? 'counted-rate-v1';
};
