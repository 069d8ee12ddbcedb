import type { Distribution, ListQuery } from './shapes.js';
import { valueAt, type Labelled } from './filter.js';

export type Value = number | Distribution;
export type StoredPoint = { readonly start: number; readonly end: number; readonly value: Value };
export type Series = Labelled & {
  readonly metricKind: string;
  readonly valueType: string;
  readonly points: readonly StoredPoint[];
};

/** Two distributions over the same buckets as one. Throws when the buckets differ. */
const together = (a: Distribution, b: Distribution): Distribution => {
  if (a.count === 0) return b;
  if (b.count === 0) return a;
  if (JSON.stringify(a.bucketOptions) !== JSON.stringify(b.bucketOptions))
    throw new Error('Distributions with different buckets cannot be put together.');
  const count = a.count + b.count;
  const mean = (a.mean * a.count + b.mean * b.count) / count;
  const apart = (a.mean - b.mean) ** 2 * ((a.count * b.count) / count);
  const size = Math.max(a.bucketCounts.length, b.bucketCounts.length);
  return {
    count,
    mean,
    sumOfSquaredDeviation: a.sumOfSquaredDeviation + b.sumOfSquaredDeviation + apart,
    bucketOptions: a.bucketOptions,
    bucketCounts: Array.from({ length: size }, (_, at) => (a.bucketCounts[at] ?? 0) + (b.bucketCounts[at] ?? 0)),
  };
};

const add = (a: Value, b: Value): Value =>
  typeof a === 'number' || typeof b === 'number' ? Number(a) + Number(b) : together(a, b);

const sum = (values: readonly Value[]): Value => values.reduce(add);

/** Points of one series put together by windows that end at the end of the interval and whole periods before it. */
const aligned = ({ points }: Series, { start, end, aligner }: ListQuery, period: number): readonly StoredPoint[] => {
  const result: StoredPoint[] = [];
  for (let until = end; until - period >= start; until -= period) {
    const own = points.filter((point) => point.end > until - period && point.end <= until);
    if (own.length === 0) continue;
    const value = sum(own.map((point) => point.value));
    const rate = aligner === 'ALIGN_RATE' && typeof value === 'number' ? value / (period / 1_000) : value;
    result.push({ start: until - period, end: until, value: rate });
  }
  return result;
};

const grouped = (series: readonly Series[], { reducer, groupBy }: ListQuery): readonly Series[] => {
  if (reducer === 'REDUCE_NONE') return series;
  const groups = new Map<string, Series[]>();
  for (const one of series) {
    const key = JSON.stringify(groupBy.map((path) => valueAt(one, path) ?? ''));
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()].flatMap((members): readonly Series[] => {
    const [first] = members;
    if (!first) return [];
    const ends = [...new Set(members.flatMap(({ points }) => points.map(({ end }) => end)))].toSorted((a, b) => b - a);
    const points = ends.map((end): StoredPoint => {
      const own = members.flatMap((member) => member.points.filter((point) => point.end === end));
      return { start: own[0]?.start ?? end, end, value: sum(own.map(({ value }) => value)) };
    });
    const kept = (root: 'metric' | 'resource'): Record<string, string> =>
      Object.fromEntries(
        groupBy.flatMap((path) => {
          const [of, , ...label] = path.split('.');
          const name = label.join('.').replaceAll('"', '');
          const value = of === root ? first[root].labels[name] : undefined;
          return value === undefined ? [] : [[name, value]];
        }),
      );
    return [
      {
        ...first,
        metric: { type: first.metric.type, labels: kept('metric') },
        resource: { type: first.resource.type, labels: kept('resource') },
        points,
      },
    ];
  });
};

/** Series as a list gives them: aligned and reduced where that is asked for, points newest first. Throws in words. */
export const aggregate = (series: readonly Series[], query: ListQuery): readonly Series[] => {
  const { aligner, alignmentPeriod, reducer, start, end } = query;
  if (aligner === 'ALIGN_NONE') {
    if (reducer !== 'REDUCE_NONE') throw new Error('A cross-series reducer needs a per-series aligner.');
    return series
      .map((one) => ({
        ...one,
        points: one.points.filter((point) => point.end > start && point.end <= end).toReversed(),
      }))
      .filter(({ points }) => points.length > 0);
  }
  if (alignmentPeriod === undefined || alignmentPeriod < 60_000)
    throw new Error('The alignment period must be at least 60 seconds.');
  const ofDistributions = series.some(({ valueType }) => valueType === 'DISTRIBUTION');
  const fits = ofDistributions ? ['ALIGN_DELTA'] : ['ALIGN_DELTA', 'ALIGN_RATE', 'ALIGN_SUM'];
  if (series.length > 0 && !fits.includes(aligner))
    throw new Error(`The aligner ${aligner} cannot be used on metrics of this kind and type.`);
  if (!['REDUCE_NONE', 'REDUCE_SUM'].includes(reducer)) throw new Error(`The reducer ${reducer} is not emulated.`);
  const own = series.map((one) => ({ ...one, points: aligned(one, query, alignmentPeriod) }));
  return grouped(
    own.filter(({ points }) => points.length > 0),
    query,
  );
};
