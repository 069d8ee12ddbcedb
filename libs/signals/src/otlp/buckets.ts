import type { ExponentialPoint, HistogramPoint } from './model.js';

/** So many values lie between two bounds, the upper one included; ends may be infinite. */
export type Bucket = {
  readonly low: number;
  readonly high: number;
  readonly count: number;
  /** One of those that grow by a factor: the geometric mean stands for it in any case. */
  readonly grows: boolean;
};

/** Buckets of an exponential histogram, wherever they begin. */
export type Exponential = Pick<ExponentialPoint, 'scale' | 'zeroCount' | 'offset' | 'counts'>;

/** With the two scales that OpenTelemetry's SDKs stay between, and room for others. */
const SCALES = { least: -10, most: 20 };
/** More buckets than any SDK makes (160). */
const MOST_BUCKETS = 4_096;

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;

/** Why a histogram cannot be read; undefined where it can. */
export const histogramFault = ({ bounds, counts }: HistogramPoint): string | undefined => {
  if (counts.length === 0) return 'it has no buckets';
  if (counts.length !== bounds.length + 1)
    return `${bounds.length} bounds make ${bounds.length + 1} buckets, and it has ${counts.length}`;
  if (bounds.length === 0) return 'it has only one bucket, which says nothing of the values';
  if (counts.length > MOST_BUCKETS) return `it has more than ${MOST_BUCKETS} buckets`;
  if (!counts.every(isCount)) return 'a bucket holds no whole number of values';
  const isRising = bounds.every((bound, index) => Number.isFinite(bound) && bound > (bounds[index - 1] ?? -Infinity));
  return isRising ? undefined : 'its bounds do not rise';
};

export const exponentialFault = (point: ExponentialPoint): string | undefined => {
  const { counts, scale, zeroCount, offset, hasNegative } = point;
  if (hasNegative) return 'it has negative values';
  if (counts.length > MOST_BUCKETS) return `it has more than ${MOST_BUCKETS} buckets`;
  if (!Number.isInteger(offset) || Math.abs(offset) > 2 ** 31) return 'its offset is no whole number';
  if (!Number.isInteger(scale) || scale < SCALES.least || scale > SCALES.most)
    return `its scale is not between ${SCALES.least} and ${SCALES.most}`;
  return [zeroCount, ...counts].every(isCount) ? undefined : 'a bucket holds no whole number of values';
};

/** With buckets 2^(scale - to) times as wide: those that become one are added up. Exact, as their bounds coincide. */
export const downscaled = (of: Exponential, to: number): Exponential => {
  if (of.scale <= to) return of;
  const width = 2 ** (of.scale - to);
  const offset = Math.floor(of.offset / width);
  const counts: number[] = [];
  for (const [index, count] of of.counts.entries()) {
    const place = Math.floor((of.offset + index) / width) - offset;
    counts[place] = (counts[place] ?? 0) + count;
  }
  return { ...of, scale: to, offset, counts };
};

/** What came since; undefined where something became less, as after a reset. Both at the coarser of the two scales. */
export const exponentialIncrease = (before: Exponential, now: Exponential): Exponential | undefined => {
  const scale = Math.min(before.scale, now.scale);
  const [old, young] = [downscaled(before, scale), downscaled(now, scale)];
  const offset = Math.min(old.offset, young.offset);
  const end = Math.max(old.offset + old.counts.length, young.offset + young.counts.length);
  const counts: number[] = [];
  for (let place = offset; place < end; place += 1) {
    const added = (young.counts[place - young.offset] ?? 0) - (old.counts[place - old.offset] ?? 0);
    if (added < 0) return undefined;
    counts.push(added);
  }
  const zeroCount = young.zeroCount - old.zeroCount;
  return zeroCount < 0 ? undefined : { scale, zeroCount, offset, counts };
};

export const bucketsOfHistogram = (bounds: readonly number[], counts: readonly number[]): readonly Bucket[] =>
  counts.flatMap((count, index) => {
    const [low, high] = [bounds[index - 1] ?? -Infinity, bounds[index] ?? Infinity];
    return count === 0 ? [] : [{ low, high, count, grows: false }];
  });

export const bucketsOfExponential = ({ scale, zeroCount, offset, counts }: Exponential): readonly Bucket[] => {
  const bound = (place: number): number => 2 ** (place * 2 ** -scale);
  const zeros = zeroCount === 0 ? [] : [{ low: 0, high: 0, count: zeroCount, grows: true }];
  const others = counts.flatMap((count, index) =>
    count === 0 ? [] : [{ low: bound(offset + index), high: bound(offset + index + 1), count, grows: true }],
  );
  return [...zeros, ...others];
};

/**
 * The value that stands for a bucket: the arithmetic mean of its bounds for a mean, the geometric one otherwise. Of an
 * open end it is the finite bound; an end at zero or below is open for the geometric mean.
 */
export const valueOf = ({ low, high, grows }: Bucket, isMean: boolean): number => {
  if (low === high) return low;
  if (high === Infinity) return low;
  if (low === -Infinity) return high;
  if (isMean && !grows) return (low + high) / 2;
  return low <= 0 ? high : Math.sqrt(low) * Math.sqrt(high);
};
