import { z } from 'zod';
import { askedFaults, CloudMonitoringSignal, CloudWatchSignal, PrometheusSignal } from './asked-sources.js';
import type { SignalType } from './signal-type.js';
import { Labels } from './source-labels.js';

/** Attribute → the value, one of several values, or `*`: any value at all. */
const Where = z.record(
  z.string().min(1).max(100),
  z.union([z.string().max(200), z.array(z.string().max(200)).min(1).max(50)]),
);

/** The points of one metric, or those of them with these attributes. */
const MetricPoints = z.strictObject({ metric: z.string().min(1).max(255), where: Where.default({}) });
export type MetricPoints = z.output<typeof MetricPoints>;

/** Those that count bad requests; the others measure values. */
const BUILT_IN_RATES = ['errors', 'refusals', 'truncations', 'ended-turns', 'tool-calls', 'stop-sequences'] as const;
const BUILT_IN_VALUES = ['latency', 'time-to-first-token', 'time-per-output-token', 'output-tokens'] as const;

/** What OpenTelemetry's conventions for generative AI count, by the names of their metrics. */
export const BuiltIn = z.enum([...BUILT_IN_RATES, ...BUILT_IN_VALUES]);
export type BuiltIn = z.output<typeof BuiltIn>;

/** Metrics that are sent here by OTLP: of a rate its requests and the bad ones among them, of other types its values. */
const OtlpSource = z.strictObject({
  type: z.literal('otlp'),
  /** Instead of metrics: those of the conventions for generative AI, in their own units. */
  builtIn: BuiltIn.optional(),
  requests: MetricPoints.optional(),
  bad: MetricPoints.optional(),
  /** A histogram, of signals of type mean or distribution. */
  values: MetricPoints.optional(),
  /** Multiplies values, such as 1000 to make milliseconds of seconds. */
  scale: z.number().positive().max(1e9).default(1),
  labels: Labels.default({}),
});
export type OtlpSource = z.output<typeof OtlpSource>;

/** What counts a signal that does not come as outcomes. It counts without units, so the error bound does not cover it. */
export const SignalSource = z.discriminatedUnion('type', [
  OtlpSource,
  PrometheusSignal,
  CloudWatchSignal,
  CloudMonitoringSignal,
]);
export type SignalSource = z.output<typeof SignalSource>;

/** `path`: from the source on. */
export type SourceFault = { readonly path: readonly string[]; readonly message: string };

const isRate = (builtIn: BuiltIn): boolean => (BUILT_IN_RATES as readonly string[]).includes(builtIn);

const builtInFaults = (type: SignalType, { builtIn, requests, bad, values }: OtlpSource): readonly SourceFault[] => {
  if (builtIn === undefined) return [];
  const faults: SourceFault[] = [];
  const path = ['builtIn'];
  if (requests ?? bad ?? values)
    faults.push({ path, message: 'builtIn names the metrics itself: take out requests, bad and values, or builtIn' });
  if (isRate(builtIn) && type !== 'rate')
    faults.push({ path, message: `${builtIn} counts bad requests: it is for signals of type rate` });
  if (!isRate(builtIn) && type === 'rate')
    faults.push({ path, message: `${builtIn} measures values: it is for signals of type mean or distribution` });
  return faults;
};

const otlpFaults = (type: SignalType, source: OtlpSource): readonly SourceFault[] => {
  if (source.builtIn !== undefined) return builtInFaults(type, source);
  const isOfRate = type === 'rate';
  const wanted = isOfRate ? (['requests', 'bad'] as const) : (['values'] as const);
  const others = isOfRate ? (['values'] as const) : (['requests', 'bad'] as const);
  const named = { requests: 'all requests', bad: 'the bad requests', values: 'the values, a histogram' };
  return [
    ...wanted
      .filter((field) => source[field] === undefined)
      .map((field) => ({
        path: [field],
        message: `a ${type} needs the metric of ${named[field]}, or builtIn instead of metrics`,
      })),
    ...others
      .filter((field) => source[field] !== undefined)
      .map((field) => ({
        path: [field],
        message: `${field} is for signals of type ${isOfRate ? 'mean or distribution' : 'rate'}: leave it out, or change the type`,
      })),
  ];
};

/** What is missing for a signal of this type, and what does not fit it. */
export const sourceFaults = (type: SignalType, source: SignalSource | undefined): readonly SourceFault[] => {
  // Other types have no source at all: the manifest says so.
  if (source === undefined || type === 'invariant' || type === 'paired') return [];
  return source.type === 'otlp' ? otlpFaults(type, source) : askedFaults(type, source);
};
