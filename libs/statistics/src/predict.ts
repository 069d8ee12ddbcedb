import { PROMOTION_GRID, RATIO_GRID, windowLogE } from './grid.js';
import { lookMass, raiseMass } from './restarts.js';
import { logSumExp, poissonAtLeast } from './special.js';

/** Bad events expected in one slice per unit of time (or over a stage) when the candidate is as good as control. */
export type ExpectedBad = { readonly candidate: number; readonly control: number };

const isMeasurable = ({ candidate, control }: ExpectedBad): boolean => candidate > 0 && control > 0;

/** The time at which a growing function first reaches `bound`, or null when it does not within `longest`. */
const firstTime = (grown: (time: number) => number, bound: number, longest: number): number | null => {
  if (grown(longest) < bound) return null;
  let [low, high] = [0, longest];
  for (let i = 0; i < 200 && high - low > 1e-9 * high; i += 1) {
    const middle = (low + high) / 2;
    if (grown(middle) < bound) low = middle;
    else high = middle;
  }
  return high;
};

/** What each alternative of the promotion mixture is expected to gain from these events when the ratio is 1. */
const expectedGains = (slices: readonly ExpectedBad[], margin: number): readonly number[] =>
  PROMOTION_GRID.map((a) =>
    slices
      .filter(isMeasurable)
      .reduce(
        (sum, { candidate, control }) =>
          sum + windowLogE(candidate, control, candidate / (candidate + control), a, margin),
        0,
      ),
  );

/**
 * When an equal mixture of bets reaches 1/alpha along its expected path: each starts with what it `gained` and gains its
 * drift per unit of time. Null for never.
 */
export const timeToReach = (gained: readonly number[], drifts: readonly number[], alpha: number): number | null => {
  const bound = Math.log(1 / alpha);
  const grown = (time: number): number =>
    logSumExp(drifts.map((drift, i) => (gained[i] ?? 0) + drift * time)) - Math.log(drifts.length);
  if (grown(0) >= bound) return 0;
  const enough = drifts.map((drift, i) =>
    drift > 0 ? (bound + Math.log(drifts.length) - (gained[i] ?? 0)) / drift : Number.POSITIVE_INFINITY,
  );
  const longest = Math.min(...enough);
  return Number.isFinite(longest) ? firstTime(grown, bound, longest) : null;
};

/**
 * How long it takes to show that the ratio is below `margin` when it is 1: the time at which the promotion mixture, along
 * its expected path (Wald's identity per alternative), reaches 1/alpha. `before` are events expected until then, which
 * count as well. In the time unit of `perTime`; null when it can not be shown with slices that have bad events expected
 * on both arms.
 */
export const timeToPromote = (
  perTime: readonly ExpectedBad[],
  margin: number,
  alpha: number,
  before: readonly ExpectedBad[] = [],
): number | null => timeToReach(expectedGains(before, margin), expectedGains(perTime, margin), alpha);

/** Bad events, both arms together, that promotion needs at candidate share `rho` when the ratio is 1. */
export const eventsToPromote = (rho: number, margin: number, alpha: number): number | null =>
  timeToPromote([{ candidate: rho, control: 1 - rho }], margin, alpha);

export type Sight = {
  /** Bad events expected on each arm by the end, the candidate's as if it were harmless. */
  readonly expected: ExpectedBad;
  /** Tolerated ratio, at least 1. */
  readonly harm: number;
  /** ln 1/(alpha w) of the process that is to reach it, its share within the signal included. */
  readonly logBound: number;
};

/** Mass of the restart mixture on "bad from the start". */
export const START_MASS = lookMass(0) + raiseMass(0);

const leastCandidateBad = (sight: Sight, controlBad: number): number => {
  const { expected, harm, logBound } = sight;
  const rho = expected.candidate / (expected.candidate + expected.control);
  const logE = (candidateBad: number): number =>
    logSumExp(RATIO_GRID.map((g) => windowLogE(candidateBad, controlBad, rho, g, harm))) +
    Math.log(START_MASS / RATIO_GRID.length);
  let high = 1;
  while (logE(high) < logBound && high < 2 ** 40) high *= 2;
  let low = Math.floor(high / 2);
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (logE(middle) < logBound) low = middle;
    else high = middle;
  }
  return high;
};

/** Counts of control events that stand for its Poisson distribution: each of 33 bins within 4 deviations, with its chance. */
const controlCases = (mean: number): readonly (readonly [controlBad: number, chance: number])[] => {
  const spread = 4 * Math.sqrt(mean) + 4;
  const width = Math.max(1, Math.ceil((2 * spread) / 33));
  const start = Math.max(0, Math.floor(mean - spread));
  const cases: (readonly [number, number])[] = [];
  for (let from = start; from <= mean + spread; from += width) {
    const chance = poissonAtLeast(from, mean) - poissonAtLeast(from + width, mean);
    cases.push([from + (width - 1) / 2, chance]);
  }
  return cases;
};

/** Chance that the evidence has reached its bound at the end when the candidate's rate is `ratio` times control's. */
export const chanceToSee = (sight: Sight, ratio: number): number => {
  const cases = controlCases(sight.expected.control);
  return seenWith(
    cases.map(([controlBad, chance]) => [leastCandidateBad(sight, controlBad), chance]),
    sight,
    ratio,
  );
};

const seenWith = (cases: readonly (readonly [number, number])[], sight: Sight, ratio: number): number =>
  cases.reduce((sum, [least, chance]) => sum + chance * poissonAtLeast(least, sight.expected.candidate * ratio), 0);

/** No ratio above this is looked for: the whole arm is then bad for any base rate that can be called one. */
const LARGEST_RATIO = 10_000;

/**
 * The smallest ratio that is seen by the end with at least this chance (Poisson events, the same mixture that decides,
 * started at the beginning); null when not even 10,000 times control is, or when an arm expects no bad events.
 */
export const smallestHarm = (sight: Sight, chance: number): number | null => {
  if (!isMeasurable(sight.expected)) return null;
  const cases = controlCases(sight.expected.control).map(
    ([controlBad, weight]) => [leastCandidateBad(sight, controlBad), weight] as const,
  );
  if (seenWith(cases, sight, LARGEST_RATIO) < chance) return null;
  let [low, high] = [sight.harm, LARGEST_RATIO];
  while (high / low > 1.001) {
    const middle = Math.sqrt(low * high);
    if (seenWith(cases, sight, middle) < chance) low = middle;
    else high = middle;
  }
  return high;
};
