import type { Labels } from '#libs/contracts';
import type { Point, PointRefusal } from '../asked.js';
import { histogramValues, type HistogramBucket } from '../histogram.js';
import type { Series } from './read-vector.js';

type Names = {
  readonly target: string;
  readonly model: readonly string[];
  readonly config: string;
  readonly variant: string;
  readonly generation: string;
  readonly bucket: string;
};

/** Names of OpenTelemetry as Prometheus writes them. */
export const namesOf = (labels: Labels): Names => ({
  target: labels.target ?? 'headgate_target',
  model: labels.model === undefined ? ['gen_ai_request_model', 'model'] : [labels.model],
  config: labels.config ?? 'feature_flag_key',
  variant: labels.variant ?? 'feature_flag_result_variant',
  generation: labels.generation ?? 'feature_flag_version',
  bucket: labels.bucket ?? 'headgate_bucket',
});

const keyOf = (labels: Series['labels'], without?: string): string => {
  const names = Object.keys(labels).toSorted();
  let key = '';
  for (const name of names)
    if (name !== without && name !== '__name__') key += `${key === '' ? '' : ','}${name}="${labels[name] ?? ''}"`;
  return `{${key}}`;
};

type Place = Pick<Point, 'key' | 'target' | 'model' | 'arm' | 'bucket'>;

const placeOf = (key: string, labels: Series['labels'], names: Names): Place => {
  const config = labels[names.config];
  const variant = labels[names.variant];
  const model = names.model.map((name) => labels[name]).find((value) => value !== undefined && value !== '');
  return {
    key,
    target: labels[names.target],
    model,
    arm:
      config === undefined || variant === undefined || config === '' || variant === ''
        ? undefined
        : { config, variant, generation: labels[names.generation] },
    bucket: labels[names.bucket],
  };
};

type Read = { readonly points: readonly Point[]; readonly refused: readonly PointRefusal[] };

/**
 * A series of requests without one of bad ones had none: a counter that never fired is not there. Bad ones without
 * requests tell nothing and are refused.
 */
export const ratePoints = (
  signal: string,
  requests: readonly Series[],
  bad: readonly Series[],
  labels: Labels,
): Read => {
  const names = namesOf(labels);
  const badOf = new Map(bad.map((series) => [keyOf(series.labels), series.value]));
  const points = requests.map(({ labels: own, value }): Point => {
    const key = keyOf(own);
    const count = badOf.get(key) ?? 0;
    badOf.delete(key);
    return { ...placeOf(key, own, names), requests: value, bad: count, values: undefined };
  });
  const refused = [...badOf].flatMap(([key, count]): readonly PointRefusal[] =>
    count === 0
      ? []
      : [
          {
            where: `signal ${signal}, series ${key}`,
            code: 'bad-without-requests',
            detail: 'bad ones without requests: both queries must give the same labels',
          },
        ],
  );
  return { points, refused };
};

type Bound = { readonly high: number; readonly cumulative: number };

/** Counts per bucket from counts up to each bound; extrapolation may let those fall by a little. */
const bucketsOf = (bounds: readonly Bound[]): readonly HistogramBucket[] => {
  let low = 0;
  let below = 0;
  return bounds
    .toSorted((a, b) => a.high - b.high)
    .map(({ high, cumulative }) => {
      const bucket = { low: Math.min(low, high), high, count: Math.max(0, cumulative - below) };
      below = Math.max(below, cumulative);
      low = high;
      return bucket;
    });
};

const boundOf = (text: string | undefined): number => {
  if (text === '+Inf' || text === 'Inf') return Number.POSITIVE_INFINITY;
  return text === undefined || text.trim() === '' ? Number.NaN : Number(text);
};

/** Histograms by the bounds of their buckets (`le`), one for each set of the other labels. */
export const valuePoints = (
  signal: string,
  type: 'mean' | 'distribution',
  series: readonly Series[],
  { labels, scale }: { readonly labels: Labels; readonly scale: number },
): Read => {
  const names = namesOf(labels);
  const histograms = new Map<string, { readonly labels: Series['labels']; readonly bounds: Bound[] }>();
  for (const { labels: own, value } of series) {
    const key = keyOf(own, 'le');
    const histogram = histograms.get(key) ?? { labels: own, bounds: [] };
    histogram.bounds.push({ high: boundOf(own['le']), cumulative: value });
    histograms.set(key, histogram);
  }
  const points: Point[] = [];
  const refused: PointRefusal[] = [];
  for (const [key, { labels: own, bounds }] of histograms) {
    const refuse = (detail: string): void =>
      void refused.push({ where: `signal ${signal}, series ${key}`, code: 'not-a-histogram', detail });
    if (bounds.some(({ high }) => Number.isNaN(high))) refuse('a series without le: keep it when you sum');
    else if (!bounds.some(({ high }) => high === Number.POSITIVE_INFINITY)) refuse('the bucket le="+Inf" is missing');
    else {
      const values = histogramValues(bucketsOf(bounds), type, scale);
      const requests = values.reduce((sum, [, count]) => sum + count, 0);
      points.push({ ...placeOf(key, own, names), requests, bad: 0, values });
    }
  }
  return { points, refused };
};
