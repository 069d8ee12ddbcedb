import type { AskedSignal, Point, PointRefusal, Reading, Span } from '../asked.js';
import { placeOf } from '../slices.js';
import { statisticKey, type SlicePlan, type Statistic } from './metric-plan.js';

/** What GetMetricData gave for one statistic. */
export type StatisticResult = {
  readonly status: string;
  /** Begin of a period in epoch milliseconds → value. */
  readonly values: ReadonlyMap<number, number>;
};

type Results = ReadonlyMap<string, StatisticResult>;

const valueAt = (results: Results, statistic: Statistic, at: number): number | undefined =>
  results.get(statisticKey(statistic))?.values.get(at);

/** Sum of what is there; undefined where nothing is. CloudWatch has no point where nothing was counted. */
const sumAt = (results: Results, statistics: readonly Statistic[], at: number): number | undefined => {
  const there = statistics.flatMap((statistic) => valueAt(results, statistic, at) ?? []);
  return there.length === 0 ? undefined : there.reduce((sum, value) => sum + value, 0);
};

const incomplete = (plans: readonly SlicePlan[], results: Results): string | undefined => {
  const all = plans.flatMap(({ requests, bad, average }) => [...requests, ...bad, ...(average ? [average] : [])]);
  for (const statistic of all) {
    const status = results.get(statisticKey(statistic))?.status ?? 'no result';
    if (status !== 'Complete') return `CloudWatch says ${status} of ${statistic.namespace} ${statistic.metric}`;
  }
  return undefined;
};

/** One window of a signal. Values are the average, as often as it was sampled: an approximation without a spread. */
export const readSlices = (
  { signal }: AskedSignal,
  { target, scale }: { readonly target: string; readonly scale: number },
  plans: readonly SlicePlan[],
  results: Results,
  { from }: Span,
): Reading => {
  const words = incomplete(plans, results);
  if (words !== undefined) return { kind: 'failed', words };
  const points: Point[] = [];
  const refused: PointRefusal[] = [];
  for (const { slice, requests, bad, average } of plans) {
    const count = sumAt(results, requests, from);
    const badCount = sumAt(results, bad, from);
    const place = placeOf(target, slice);
    if (count === undefined) {
      if (badCount !== undefined && badCount > 0)
        refused.push({
          where: `signal ${signal}, series ${place.key}`,
          code: 'bad-without-requests',
          detail: 'bad ones without requests: both metrics must have the same dimensions',
        });
      continue;
    }
    const mean = average && valueAt(results, average, from);
    if (average && mean === undefined) continue;
    const values = mean === undefined ? undefined : [[mean * scale, count] as const];
    points.push({ ...place, requests: count, bad: badCount ?? 0, values });
  }
  return points.length === 0 && refused.length === 0
    ? { kind: 'nothing', words: `signal ${signal}: CloudWatch has no points` }
    : { kind: 'measured', points, refused };
};
