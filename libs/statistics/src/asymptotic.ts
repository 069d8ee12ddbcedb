/** How many values, their sum and the sum of their squares. */
export type Moments = { count: number; sum: number; squares: number };

export const noMoments = (): Moments => ({ count: 0, sum: 0, squares: 0 });

export const addToMoments = (moments: Moments, value: number, count: number): void => {
  moments.count += count;
  moments.sum += value * count;
  moments.squares += value * value * count;
};

/** Adds what others were taken from. */
export const addMoments = (moments: Moments, { count, sum, squares }: Moments): void => {
  moments.count += count;
  moments.sum += sum;
  moments.squares += squares;
};

/** The mean; NaN of nothing. */
export const meanOf = ({ count, sum }: Moments): number => sum / count;

const varianceOf = ({ count, sum, squares }: Moments): number =>
  Math.max(0, squares - (sum * sum) / count) / (count - 1);

/** Values of both arms that were served concurrently at one share. */
export type Stratum = { readonly candidate: Moments; readonly control: Moments };

/** The sequence is narrowest when so many candidate values were seen. */
const TUNED_FOR = 5_000;

type Estimate = { readonly difference: number; readonly variance: number };

const differenceOf = ({ candidate, control }: Stratum): Estimate | undefined => {
  if (candidate.count < 2 || control.count < 2) return undefined;
  const variance = varianceOf(candidate) / candidate.count + varianceOf(control) / control.count;
  return variance > 0 ? { difference: meanOf(candidate) - meanOf(control), variance } : undefined;
};

/** For ratios of means: the difference of their logarithms, its variance by the delta method. */
const logRatioOf = ({ candidate, control }: Stratum): Estimate | undefined => {
  if (candidate.count < 2 || control.count < 2) return undefined;
  const [high, low] = [meanOf(candidate), meanOf(control)];
  if (!(high > 0) || !(low > 0)) return undefined;
  const variance = varianceOf(candidate) / candidate.count / high ** 2 + varianceOf(control) / control.count / low ** 2;
  return variance > 0 ? { difference: Math.log(high / low), variance } : undefined;
};

/** Squared half-width of the sequence for a unit variance of the estimate, after `count` values. */
const widthAt = (count: number, alpha: number): number => {
  const level = -2 * Math.log(alpha);
  const scale = (count * (level + Math.log1p(level))) / TUNED_FOR;
  return (2 * (scale + 1) * Math.log1p(Math.sqrt(scale + 1) / alpha)) / scale;
};

/**
 * Asymptotic confidence sequence of one mean at level 1 - alpha, by the same formula as that of differences. Null without
 * two values that differ.
 */
export const meanInterval = (
  moments: Moments,
  alpha: number,
): { readonly low: number; readonly high: number } | null => {
  if (moments.count < 2) return null;
  const variance = varianceOf(moments) / moments.count;
  if (!(variance > 0)) return null;
  const half = Math.sqrt(widthAt(moments.count, alpha) * variance);
  return { low: meanOf(moments) - half, high: meanOf(moments) + half };
};

/** An estimated difference and its confidence sequence. */
export type DifferenceInterval = { readonly difference: number; readonly low: number; readonly high: number };

/**
 * Difference of candidate and control, each stratum by itself and weighted by its precision, with an asymptotic
 * confidence sequence at level 1 - alpha (Waudby-Smith et al. 2021, arXiv 2103.06476, tuned for 5,000 values): to be
 * looked at; nothing is decided by it. `of`: whether the difference is one of means or of logarithms of means. Null
 * without two values on each arm of a stratum.
 */
export const differenceInterval = (
  strata: readonly Stratum[],
  alpha: number,
  of: 'means' | 'log-means',
): DifferenceInterval | null => {
  let [precision, weighted, count] = [0, 0, 0];
  for (const stratum of strata) {
    const estimate = of === 'means' ? differenceOf(stratum) : logRatioOf(stratum);
    if (estimate === undefined) continue;
    precision += 1 / estimate.variance;
    weighted += estimate.difference / estimate.variance;
    count += stratum.candidate.count;
  }
  if (precision === 0) return null;
  const half = Math.sqrt(widthAt(count, alpha) / precision);
  const difference = weighted / precision;
  return { difference, low: difference - half, high: difference + half };
};
