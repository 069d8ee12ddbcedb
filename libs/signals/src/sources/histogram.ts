/** One bucket of a histogram: how many values were above `low` and up to `high`; ends may be infinite. */
export type HistogramBucket = { readonly low: number; readonly high: number; readonly count: number };

/**
 * The value that stands for all of a bucket: its geometric mean for signals of which the tail matters, its arithmetic
 * mean for averages, and the finite bound where the other is open (0 is open in a geometric mean).
 */
const valueOf = ({ low, high }: HistogramBucket, type: 'mean' | 'distribution'): number => {
  const bottom = type === 'distribution' && low <= 0 ? Number.NEGATIVE_INFINITY : low;
  if (!Number.isFinite(bottom)) return Number.isFinite(high) ? high : 0;
  if (!Number.isFinite(high)) return bottom;
  return type === 'distribution' ? Math.sqrt(bottom * high) : (bottom + high) / 2;
};

/** Twelve digits: the same bucket always gives the same value, whatever it was computed from. */
const tidy = (value: number): number => Number(value.toPrecision(12));

/** A histogram as values with counts; empty buckets are left out. */
export const histogramValues = (
  buckets: readonly HistogramBucket[],
  type: 'mean' | 'distribution',
  scale: number,
): readonly (readonly [value: number, count: number])[] =>
  buckets.flatMap((bucket): readonly (readonly [number, number])[] =>
    bucket.count > 0 ? [[tidy(valueOf(bucket, type) * scale), bucket.count]] : [],
  );
