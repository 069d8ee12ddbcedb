import type { CloudWatchMetric, CloudWatchSignal, CloudWatchConnection } from '#libs/contracts';
import { slicesOf, type Slice } from '../slices.js';

/** One statistic of one metric. */
export type Statistic = {
  readonly namespace: string;
  readonly metric: string;
  readonly stat: 'Sum' | 'SampleCount' | 'Average';
  readonly dimensions: Readonly<Record<string, string>>;
};

/** What is to be put together of one slice: sums of statistics, or an average with how often it was measured. */
export type SlicePlan = {
  readonly slice: Slice;
  readonly requests: readonly Statistic[];
  readonly bad: readonly Statistic[];
  readonly average: Statistic | undefined;
};

type Denominator = CloudWatchConnection['denominator'];

const BEDROCK = 'AWS/Bedrock';
const CLIENT = 'InvocationClientErrors';
const SERVER = 'InvocationServerErrors';
const THROTTLES = 'InvocationThrottles';

const sum = (metric: string, { id }: Slice): Statistic => ({
  namespace: BEDROCK,
  metric,
  stat: 'Sum',
  dimensions: { ModelId: id },
});

/** Bad metrics, and those that requests are the sum of. Throttled requests are neither invocations nor errors. */
const RATES: Readonly<Record<string, { readonly bad: readonly string[]; readonly besides: readonly string[] }>> = {
  errors: { bad: [CLIENT, SERVER], besides: [] },
  'server-errors': { bad: [SERVER], besides: [] },
  throttles: { bad: [THROTTLES], besides: [THROTTLES] },
};

const VALUES: Readonly<Record<string, string>> = {
  latency: 'InvocationLatency',
  'time-to-first-token': 'TimeToFirstToken',
  'output-tokens': 'OutputTokenCount',
};

const builtInPlan = (builtIn: string, slice: Slice, denominator: Denominator): SlicePlan => {
  const rate = RATES[builtIn];
  if (rate) {
    const errors = denominator === 'invocations' ? [] : [CLIENT, SERVER];
    const all = ['Invocations', ...errors, ...rate.besides];
    return {
      slice,
      requests: all.map((metric) => sum(metric, slice)),
      bad: rate.bad.map((metric) => sum(metric, slice)),
      average: undefined,
    };
  }
  const metric = VALUES[builtIn] ?? '';
  return {
    slice,
    requests: [{ ...sum(metric, slice), stat: 'SampleCount' }],
    bad: [],
    average: { ...sum(metric, slice), stat: 'Average' },
  };
};

const own = (
  { namespace, metric, dimensions }: Omit<CloudWatchMetric, 'stat'>,
  stat: Statistic['stat'],
  { id }: Slice,
): Statistic => ({
  namespace,
  metric,
  stat,
  dimensions: Object.fromEntries(
    Object.entries(dimensions).map(([name, value]) => [name, value.replaceAll('$model', id)]),
  ),
});

/** The statistics that each slice of a signal is put together of. */
export const metricPlan = (asked: CloudWatchSignal, denominator: Denominator): readonly SlicePlan[] =>
  slicesOf(asked).map((slice): SlicePlan => {
    const { builtIn, requests, bad, values } = asked;
    if (builtIn !== undefined) return builtInPlan(builtIn, slice, denominator);
    if (values)
      return {
        slice,
        requests: [own(values, 'SampleCount', slice)],
        bad: [],
        average: own(values, 'Average', slice),
      };
    return {
      slice,
      requests: requests ? [own(requests, requests.stat, slice)] : [],
      bad: bad ? [own(bad, bad.stat, slice)] : [],
      average: undefined,
    };
  });

/** The same statistic has the same key, so that it is asked for once. */
export const statisticKey = ({ namespace, metric, stat, dimensions }: Statistic): string =>
  JSON.stringify([namespace, metric, stat, Object.entries(dimensions).toSorted(([a], [b]) => (a < b ? -1 : 1))]);
