/** How values of a signal are put into bins: a mean between two limits, or positive values by their size. */
export type Binning = { readonly low: number; readonly high: number } | 'by-size';

const STEPS = 64;
/** Bins of a distribution are 2% apart, as histograms of latencies are. */
const GROWTH = Math.log(1.02);
const LEAST = 0.001;
const MOST = 1e9;

/** Digits that PostgreSQL and JSON write alike. */
const short = (value: number): number => Number(value.toPrecision(6));

/** What values of a distribution may be, in words. */
export const SIZES = `from 0 to ${MOST.toExponential()} (below ${LEAST} counts as that)`;

/**
 * The value that stands for the bin of a value; undefined where there is none: outside the limits of a mean or of what a
 * distribution takes. Both limits are bins of their own, so that a score of 0 or 1 stays what it is.
 */
export const binOf = (value: number, binning: Binning): number | undefined => {
  if (!Number.isFinite(value)) return undefined;
  if (binning === 'by-size') {
    if (value < 0 || value > MOST) return undefined;
    const size = Math.max(LEAST, value);
    return short(Math.exp(GROWTH * Math.round(Math.log(size) / GROWTH)));
  }
  const { low, high } = binning;
  if (value < low || value > high) return undefined;
  return short(low + (Math.round(((value - low) / (high - low)) * STEPS) * (high - low)) / STEPS);
};
