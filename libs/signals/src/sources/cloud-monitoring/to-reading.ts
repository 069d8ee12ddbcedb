import type { CloudMonitoringSignal } from '#libs/contracts';
import type { AskedSignal, Point, PointRefusal, Reading, Span } from '../asked.js';
import { histogramValues, type HistogramBucket } from '../histogram.js';
import { placeOf, slicesOf } from '../slices.js';
import { CATEGORY, CODE, type ListPlan, type SignalPlan } from './metric-plan.js';
import type { Distribution, ListedPoint } from './read-list.js';

/** Bounds between buckets, the lowest first: there is one bucket more. */
const boundsOf = ({ bucketOptions }: Distribution): readonly number[] => {
  const { explicitBuckets, exponentialBuckets, linearBuckets } = bucketOptions ?? {};
  if (explicitBuckets) return explicitBuckets.bounds;
  if (exponentialBuckets) {
    const { numFiniteBuckets, growthFactor, scale } = exponentialBuckets;
    return Array.from({ length: numFiniteBuckets + 1 }, (_, at) => scale * growthFactor ** at);
  }
  if (!linearBuckets) return [];
  const { numFiniteBuckets, width, offset } = linearBuckets;
  return Array.from({ length: numFiniteBuckets + 1 }, (_, at) => offset + width * at);
};

/** Values of a distribution; where its buckets are not told, all of them at the mean. */
const valuesOf = (distribution: Distribution, type: 'mean' | 'distribution', scale: number) => {
  const bounds = boundsOf(distribution);
  if (bounds.length === 0 || distribution.bucketCounts.length === 0)
    return distribution.count > 0 ? [[distribution.mean * scale, distribution.count] as const] : [];
  const buckets = distribution.bucketCounts.map((count, at): HistogramBucket => ({
    low: bounds[at - 1] ?? 0,
    high: bounds[at] ?? Number.POSITIVE_INFINITY,
    count,
  }));
  return histogramValues(buckets, type, scale);
};

const labelOf = ({ metricLabels, resourceLabels }: ListedPoint, path: string): string | undefined => {
  const [root, , name = ''] = path.split('.');
  return (root === 'metric' ? metricLabels : resourceLabels)[name];
};

type Sort = 'good' | 'client-error' | 'server-error' | 'throttle';

/** How a request was answered, by its code (`429`, `5xx`), or by its category where there is no code. */
const sortOf = (point: ListedPoint): Sort => {
  const code = labelOf(point, CODE) ?? '';
  const category = labelOf(point, CATEGORY) ?? '';
  if (code === '429' || (category === 'capacity' && !code.startsWith('2'))) return 'throttle';
  if (code.startsWith('4')) return 'client-error';
  if (code.startsWith('5')) return 'server-error';
  if (code !== '') return 'good';
  return category === 'user' ? 'client-error' : category === 'system' ? 'server-error' : 'good';
};

const BAD: Readonly<Record<string, readonly Sort[]>> = {
  errors: ['client-error', 'server-error'],
  'server-errors': ['server-error'],
  throttles: ['throttle'],
};

const sum = (points: readonly ListedPoint[]): number =>
  points.reduce((total, { value }) => total + (typeof value === 'number' ? value : value.count), 0);

/** Points of a question, of the model with this id, in this window. */
const within = (
  points: readonly ListedPoint[],
  { modelLabel }: ListPlan,
  id: string,
  { until }: Span,
): readonly ListedPoint[] => points.filter((point) => point.until === until && labelOf(point, modelLabel) === id);

export type Listed = ReadonlyMap<ListPlan, readonly ListedPoint[]>;

type Counts = Pick<Point, 'requests' | 'bad' | 'values'>;

const countsOf = (
  { type }: AskedSignal,
  scale: number,
  plan: SignalPlan,
  own: (list: ListPlan) => readonly ListedPoint[],
): Counts | 'nothing' | 'bad-only' => {
  switch (plan.kind) {
    case 'by-code': {
      const all = own(plan.counts);
      const bad = sum(all.filter((point) => BAD[plan.bad]?.includes(sortOf(point))));
      // Throttled requests were not served: they are counted by the signal that is about them.
      const counted = plan.bad === 'throttles' ? all : all.filter((point) => sortOf(point) !== 'throttle');
      return counted.length === 0 ? 'nothing' : { requests: sum(counted), bad, values: undefined };
    }
    case 'rate': {
      const [requests, bad] = [own(plan.requests), own(plan.bad)];
      if (requests.length === 0) return sum(bad) > 0 ? 'bad-only' : 'nothing';
      return { requests: sum(requests), bad: sum(bad), values: undefined };
    }
    default: {
      const values = own(plan.values).flatMap(({ value }) =>
        typeof value === 'number' || type === 'rate' ? [] : valuesOf(value, type, scale),
      );
      const requests = values.reduce((total, [, count]) => total + count, 0);
      return values.length === 0 ? 'nothing' : { requests, bad: 0, values };
    }
  }
};

/** One window of a signal, of what was listed for it. */
export const toReading = (
  signal: AskedSignal,
  asked: CloudMonitoringSignal,
  plan: SignalPlan,
  listed: Listed,
  window: Span,
): Reading => {
  const points: Point[] = [];
  const refused: PointRefusal[] = [];
  for (const slice of slicesOf(asked)) {
    const place = placeOf(asked.target, slice);
    const counts = countsOf(signal, asked.scale, plan, (list) =>
      within(listed.get(list) ?? [], list, slice.id, window),
    );
    if (counts === 'bad-only')
      refused.push({
        where: `signal ${signal.signal}, series ${place.key}`,
        code: 'bad-without-requests',
        detail: 'bad ones without requests: both metrics must have the same labels',
      });
    else if (counts !== 'nothing') points.push({ ...place, ...counts });
  }
  return points.length === 0 && refused.length === 0
    ? { kind: 'nothing', words: `signal ${signal.signal}: Cloud Monitoring has no points` }
    : { kind: 'measured', points, refused };
};
