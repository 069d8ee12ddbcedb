import { QUANTILES, quantilesOf } from './distribution.js';
import { RATIO_GRID } from './grid.js';
import { START_MASS, timeToReach } from './predict.js';
import { SHIFT_BETS } from './randomisation.js';
import { logSumExp, normalQuantile } from './special.js';

/** Values that one slice is expected to measure, both arms together, when the candidate is as good as control. */
export type ExpectedValues = {
  /** Each value with how often it was seen lately: only the proportions matter. */
  readonly seen: readonly (readonly [value: number, count: number])[];
  /** Candidate share, between 0 and 1. */
  readonly rho: number;
  /** How many values, of a promotion per unit of time. */
  readonly count: number;
};

/** How a signal of values is judged. */
export type ValueJudged = { readonly type: 'mean' | 'distribution'; readonly worse: 'higher' | 'lower' };

export type ValueSight = ValueJudged & {
  readonly expected: readonly ExpectedValues[];
  /** Tolerated ratio, at least 1. */
  readonly harm: number;
  /** ln 1/(alpha w) of the process that is to reach it. */
  readonly logBound: number;
};

/** Logarithms further than this many standard deviations from the mean count as that far (as in the test itself). */
const CLIP = 3;

type Weighted = readonly (readonly [score: number, weight: number])[];

/** What one bet gains from one value: mean and variance. */
type Gain = { readonly mean: number; readonly variance: number };

const total = (all: Weighted): number => all.reduce((sum, [, weight]) => sum + weight, 0);
const meanOf = (all: Weighted): number => all.reduce((sum, [score, weight]) => sum + score * weight, 0);

/**
 * What bets gain per value, where scores have these chances on either arm. Centring by the window takes what is common
 * to both arms out of the sum, so the first order of it is left out of the variance as well.
 */
const gainsOf = (candidate: Weighted, control: Weighted, rho: number, bets: readonly number[]): readonly Gain[] => {
  const middle = rho * meanOf(candidate) + (1 - rho) * meanOf(control);
  return bets.map((bet) => {
    let [mean, squares] = [0, 0];
    const add = (scores: Weighted, share: number, isCandidate: boolean): void => {
      for (const [score, weight] of scores) {
        const gain = bet * (score - middle);
        const worth =
          gain > 0 ? gain + Math.log(rho + (1 - rho) * Math.exp(-gain)) : Math.log1p(rho * Math.expm1(gain));
        const each = (isCandidate ? gain : 0) - worth;
        mean += share * weight * each;
        squares += share * weight * each * each;
      }
    };
    add(candidate, rho, true);
    add(control, 1 - rho, false);
    return { mean, variance: Math.max(0, squares - mean * mean) };
  });
};

/** A candidate whose values are worse by `truth`, judged by the claim that they are worse by `claim` at most. */
type Case = ValueJudged & { readonly truth: number; readonly claim: number };

/** No more bins than these are summed over: neighbours are joined. */
const MOST_BINS = 48;

const joined = (all: Weighted): Weighted => {
  if (all.length <= MOST_BINS) return all;
  const sorted = all.toSorted(([a], [b]) => a - b);
  const size = Math.ceil(sorted.length / MOST_BINS);
  return Array.from({ length: Math.ceil(sorted.length / size) }, (_, i) => {
    const some = sorted.slice(i * size, (i + 1) * size);
    const weight = total(some);
    return [meanOf(some) / weight, weight] as const;
  });
};

/** A slice as the tests look at it: what is the same for every ratio is worked out once. */
type Slice = {
  readonly rho: number;
  readonly count: number;
  /** Values, or their logarithms, in few bins. */
  readonly told: Weighted;
  /** Of a distribution: the quantiles of control, and the part of its values above a limit. */
  readonly quantiles: readonly number[];
  readonly partAbove: (limit: number) => number;
};

const sliceOf = ({ seen, rho, count }: ExpectedValues, { type }: ValueJudged): Slice => {
  const isLog = type === 'distribution';
  const all = total(seen);
  const sorted = seen.toSorted(([a], [b]) => a - b).map(([value, weight]) => [value, weight / all] as const);
  const above = sorted.map(() => 0);
  for (let i = sorted.length - 2; i >= 0; i -= 1) above[i] = (above[i + 1] ?? 0) + (sorted[i + 1]?.[1] ?? 0);
  const partAbove = (limit: number): number => {
    let [low, high] = [-1, sorted.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((sorted[middle]?.[0] ?? 0) <= limit) low = middle;
      else high = middle - 1;
    }
    return low < 0 ? 1 : (above[low] ?? 0);
  };
  return {
    rho,
    count,
    partAbove,
    told: joined(sorted.map(([value, weight]) => [isLog ? Math.log(value) : value, weight] as const)),
    quantiles: isLog ? quantilesOf(new Map(sorted), 1, QUANTILES) : [],
  };
};

/** The same bets as the test of the location: on scores in standard deviations of what both arms are like together. */
const locationGains = ({ told, rho }: Slice, sign: 1 | -1, how: Case): readonly Gain[] => {
  const isLog = how.type === 'distribution';
  const towards = how.worse === 'higher' ? 1 : -1;
  const moved = (value: number, ratio: number): number =>
    isLog ? value + towards * Math.log(ratio) : value * ratio ** towards;
  const both: Weighted = told.flatMap(([value, weight]) => [
    [moved(value, how.truth), rho * weight] as const,
    [value, (1 - rho) * weight] as const,
  ]);
  const middle = meanOf(both);
  const deviation = Math.sqrt(both.reduce((sum, [value, weight]) => sum + weight * (value - middle) ** 2, 0));
  if (!(deviation > 0)) return SHIFT_BETS.map(() => ({ mean: 0, variance: 0 }));
  const score = (value: number): number => {
    const far = (value - middle) / deviation;
    return sign * (isLog ? Math.min(CLIP, Math.max(-CLIP, far)) : far);
  };
  return gainsOf(
    told.map(([value, weight]) => [score(moved(value, how.truth / how.claim)), weight]),
    told.map(([value, weight]) => [score(value), weight]),
    rho,
    SHIFT_BETS,
  );
};

const EXCESS_BETS = RATIO_GRID.map(Math.log);

/** The same bets as the tests of how often quantiles of control are exceeded. */
const excessGains = ({ quantiles, partAbove, rho }: Slice, sign: 1 | -1, how: Case): readonly (readonly Gain[])[] => {
  const factor = (how.truth / how.claim) ** (how.worse === 'higher' ? 1 : -1);
  const over = (part: number): Weighted => [
    [sign, part],
    [0, 1 - part],
  ];
  return quantiles.map((limit) => gainsOf(over(partAbove(limit / factor)), over(partAbove(limit)), rho, EXCESS_BETS));
};

const isMeasurable = ({ seen, rho, count }: ExpectedValues): boolean =>
  count > 0 && rho > 0 && rho < 1 && total(seen) > 0;

/** What each bet of each process gains over all slices. */
const processGains = (expected: readonly Slice[], how: Case): readonly (readonly Gain[])[] => {
  const sign = how.worse === 'higher' ? 1 : -1;
  const bySlice = expected.map((slice) =>
    how.type === 'mean'
      ? [locationGains(slice, sign, how)]
      : [locationGains(slice, sign, how), ...excessGains(slice, sign, how)],
  );
  const sum = (process: number, bet: number, of: keyof Gain): number =>
    bySlice.reduce((all, gains, i) => all + (expected[i]?.count ?? 0) * (gains[process]?.[bet]?.[of] ?? 0), 0);
  return (bySlice[0] ?? []).map((bets, process) =>
    bets.map((_, bet) => ({ mean: sum(process, bet, 'mean'), variance: sum(process, bet, 'variance') })),
  );
};

/**
 * The logarithm of the e-value that is exceeded with chance `chance`: each bet is a sum over many values and so nearly
 * normal, and all of them rise and fall with the same values (comonotone), so the quantile of the mixture is that of its
 * parts. Only what is bet from the start counts.
 */
const logEAt = (processes: readonly (readonly Gain[])[], chance: number): number => {
  const z = normalQuantile(chance);
  return (
    Math.log(START_MASS / processes.length) +
    logSumExp(
      processes.flatMap((bets) =>
        bets.map(({ mean, variance }) => mean - z * Math.sqrt(variance) - Math.log(bets.length)),
      ),
    )
  );
};

/** No ratio above this is looked for. */
const LARGEST_RATIO = 1_000;

/**
 * The smallest ratio by which values are worse that is seen by the end with at least this chance, when all of them are
 * worse by it; null when not even 1,000 is, or where no slice has values of both arms. By the bets of the tests themselves
 * (2.4 and 2.5 of the randomisation e-process) on the values that were seen lately.
 */
export const smallestShift = (sight: ValueSight, chance: number): number | null => {
  const expected = sight.expected.filter(isMeasurable).map((each) => sliceOf(each, sight));
  if (expected.length === 0) return null;
  const isSeen = (truth: number): boolean =>
    logEAt(processGains(expected, { ...sight, truth, claim: sight.harm }), chance) >= sight.logBound;
  if (!isSeen(LARGEST_RATIO)) return null;
  let [low, high] = [sight.harm, LARGEST_RATIO];
  while (high / low > 1.004) {
    const middle = Math.sqrt(low * high);
    if (isSeen(middle)) high = middle;
    else low = middle;
  }
  return high;
};

/** What the bets of a promotion gain when the candidate is as good as control: they are on the other direction. */
const promotionGains = (expected: readonly ExpectedValues[], how: ValueJudged, margin: number): readonly number[] => {
  const sums = SHIFT_BETS.map(() => 0);
  for (const slice of expected.filter(isMeasurable).map((each) => sliceOf(each, how))) {
    const gains = locationGains(slice, how.worse === 'higher' ? -1 : 1, { ...how, truth: 1, claim: margin });
    for (const [i, { mean }] of gains.entries()) sums[i] = (sums[i] ?? 0) + slice.count * mean;
  }
  return sums;
};

/**
 * How long it takes to show that values are not worse by `margin` when they are not worse at all: the time at which the
 * bets on the location, along their expected path, reach 1/alpha. `perTime`: values per unit of time; `before`: values
 * expected until then. Null when it can not be shown.
 */
export const timeToShowValues = (
  how: ValueJudged,
  perTime: readonly ExpectedValues[],
  margin: number,
  alpha: number,
  before: readonly ExpectedValues[] = [],
): number | null => timeToReach(promotionGains(before, how, margin), promotionGains(perTime, how, margin), alpha);
