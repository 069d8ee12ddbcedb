import { z } from 'zod';
import { Duration, Name } from './primitives.js';
import type { SignalType } from './signal-type.js';
import { Labels } from './source-labels.js';

/** Least and most of a duration in milliseconds, and what it must be a multiple of. */
const duration = (least: number, most: number, words: string, multiple = 1) =>
  Duration.refine((ms) => ms >= least && ms <= most && ms % multiple === 0, words);

const Query = z.string().min(1).max(10_000);
const Scale = z.number().positive().max(1e9).default(1);

/** Asked by PromQL; `$window` in a query stands for the length of a window, such as 15s. */
export const PrometheusSignal = z.strictObject({
  type: z.literal('prometheus'),
  /** The source that is asked. */
  from: Name,
  /** Length of a window; windows begin at multiples of it. */
  every: duration(5_000, 900_000, 'write whole seconds from 5s to 15m', 1_000).prefault('15s'),
  /** How long after the end of a window it is asked for: longer than a scrape. */
  delay: duration(0, 3_600_000, 'write at most 1h').prefault('15s'),
  /** Of a rate: increases of its requests. */
  requests: Query.optional(),
  /** Of a rate: increases of the bad ones among them. */
  bad: Query.optional(),
  /** Of a mean or a distribution: increases of a histogram's buckets, by `le`. */
  values: Query.optional(),
  /** Multiplies values, such as 1000 to make milliseconds of seconds. */
  scale: Scale,
  labels: Labels.default({}),
});
export type PrometheusSignal = z.output<typeof PrometheusSignal>;

const MINUTES = 'write whole minutes from 1m to 15m';
const whole = {
  from: Name,
  every: duration(60_000, 900_000, MINUTES, 60_000).prefault('1m'),
  /** The target that it tells of. */
  target: Name,
  scale: Scale,
} as const;

/** Model → the id under which the platform counts it. */
const ModelIds = z.record(Name, z.string().min(1).max(500));
/** Config → `r<revision>` → model → the id under which the platform counts the requests on that revision. */
const Arms = z.record(Name, z.record(z.string().regex(/^r[1-9]\d{0,8}$/, 'write a revision such as r2'), ModelIds));
export type Arms = z.output<typeof Arms>;

/** One metric of CloudWatch; `$model` in a dimension stands for the id of the model. */
const CloudWatchMetric = z.strictObject({
  namespace: z.string().min(1).max(255),
  metric: z.string().min(1).max(255),
  stat: z.enum(['Sum', 'SampleCount']).default('Sum'),
  dimensions: z.record(z.string().min(1).max(255), z.string().min(1).max(1_024)).default({ ModelId: '$model' }),
});
export type CloudWatchMetric = z.output<typeof CloudWatchMetric>;

/** What can be asked of the platforms without naming a metric. */
export const BuiltInSignal = z.enum([
  'errors',
  'server-errors',
  'throttles',
  'latency',
  'time-to-first-token',
  'output-tokens',
]);
export type BuiltInSignal = z.output<typeof BuiltInSignal>;

/** Asked by GetMetricData. */
export const CloudWatchSignal = z.strictObject({
  type: z.literal('cloudwatch'),
  ...whole,
  delay: duration(0, 3_600_000, 'write at most 1h').prefault('2m'),
  models: ModelIds.optional(),
  arms: Arms.optional(),
  builtIn: BuiltInSignal.optional(),
  requests: CloudWatchMetric.optional(),
  bad: CloudWatchMetric.optional(),
  /** Of a mean: counted as often as it was sampled, at its average. */
  values: CloudWatchMetric.omit({ stat: true }).optional(),
});
export type CloudWatchSignal = z.output<typeof CloudWatchSignal>;

const LabelPath = z
  .string()
  .max(200)
  .regex(/^(metric|resource)\.labels\.[a-zA-Z_][a-zA-Z0-9_]*$/, 'write a label such as metric.labels.response_code');
const LabelValue = z.string().max(500);

/** One metric of Cloud Monitoring. */
const MonitoringMetric = z.strictObject({
  metric: z.string().min(1).max(300),
  /** Type of the monitored resource. */
  resource: z.string().min(1).max(200).optional(),
  /** The label that holds the id of the model. */
  model: LabelPath.default('resource.labels.model_user_id'),
  /** Label → its value, or one of several. */
  where: z.record(LabelPath, z.union([LabelValue, z.array(LabelValue).min(1).max(50)])).default({}),
});
export type MonitoringMetric = z.output<typeof MonitoringMetric>;

/** Asked by timeSeries.list of Cloud Monitoring. */
export const CloudMonitoringSignal = z.strictObject({
  type: z.literal('cloud-monitoring'),
  ...whole,
  delay: duration(0, 3_600_000, 'write at most 1h').prefault('3m'),
  models: ModelIds.optional(),
  arms: Arms.optional(),
  builtIn: BuiltInSignal.optional(),
  requests: MonitoringMetric.optional(),
  bad: MonitoringMetric.optional(),
  /** A metric of distributions, of signals of type mean or distribution. */
  values: MonitoringMetric.optional(),
});
export type CloudMonitoringSignal = z.output<typeof CloudMonitoringSignal>;

export type AskedSignalSource = PrometheusSignal | CloudWatchSignal | CloudMonitoringSignal;

const RATES: readonly BuiltInSignal[] = ['errors', 'server-errors', 'throttles'];

/** Whether what is built in counts requests and bad ones among them, rather than values. */
const isRate = (builtIn: BuiltInSignal): boolean => RATES.includes(builtIn);

type Fault = { readonly path: readonly string[]; readonly message: string };

const modelFaults = ({ models, arms }: CloudWatchSignal | CloudMonitoringSignal): readonly Fault[] => {
  if (models !== undefined && arms !== undefined)
    return [{ path: ['arms'], message: 'name models or arms: what arms count is part of what models count' }];
  const none = (record: object | undefined): boolean => Object.keys(record ?? {}).length === 0;
  return none(models) && none(arms)
    ? [{ path: ['models'], message: 'name at least one model with the id under which the platform counts it' }]
    : [];
};

/** What does not fit between a signal's type and how it is asked for; `path` from the source on. */
export const askedFaults = (type: SignalType, source: AskedSignalSource): readonly Fault[] => {
  const { requests, bad, values } = source;
  const builtIn = source.type === 'prometheus' ? undefined : source.builtIn;
  const faults: Fault[] = source.type === 'prometheus' ? [] : [...modelFaults(source)];
  const own = requests !== undefined || bad !== undefined || values !== undefined;
  if (builtIn !== undefined && own)
    return [...faults, { path: ['builtIn'], message: 'leave builtIn out, or requests, bad and values' }];
  const countsRate = builtIn === undefined ? values === undefined : isRate(builtIn);
  if (type === 'rate') {
    if (!countsRate) faults.push({ path: [builtIn ? 'builtIn' : 'values'], message: 'a rate has no values' });
    if (builtIn === undefined && requests === undefined)
      faults.push({ path: ['requests'], message: 'a rate needs its requests' });
    if (builtIn === undefined && bad === undefined)
      faults.push({ path: ['bad'], message: 'a rate needs the bad ones among its requests' });
    return faults;
  }
  if (requests !== undefined) faults.push({ path: ['requests'], message: `a ${type} has values: leave requests out` });
  if (bad !== undefined) faults.push({ path: ['bad'], message: `a ${type} has values: leave bad out` });
  if (builtIn === undefined && values === undefined)
    faults.push({ path: ['values'], message: `a ${type} needs its values` });
  if (builtIn !== undefined && countsRate)
    faults.push({ path: ['builtIn'], message: `${builtIn} is a rate: make the signal one` });
  if (type === 'distribution' && source.type === 'cloudwatch')
    faults.push({ path: ['type'], message: 'CloudWatch knows averages only: make the signal a mean, with a range' });
  return faults;
};
