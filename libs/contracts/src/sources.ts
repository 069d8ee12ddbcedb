import { z } from 'zod';
import { CloudMonitoringSignal, CloudWatchSignal, PrometheusSignal } from './asked-sources.js';
import { Labels } from './source-labels.js';

/** Attribute → the value, one of several values, or `*`: any value at all. */
const Where = z.record(
  z.string().min(1).max(100),
  z.union([z.string().max(200), z.array(z.string().max(200)).min(1).max(50)]),
);

/** The points of one metric, or those of them with these attributes. */
const MetricPoints = z.strictObject({ metric: z.string().min(1).max(255), where: Where.default({}) });
export type MetricPoints = z.output<typeof MetricPoints>;

/** Metrics that are sent here by OTLP: of a rate its requests and the bad ones among them, of other types its values. */
const OtlpSource = z.strictObject({
  type: z.literal('otlp'),
  requests: MetricPoints.optional(),
  bad: MetricPoints.optional(),
  /** A histogram, of signals of type mean or distribution. */
  values: MetricPoints.optional(),
  /** Multiplies values, such as 1000 to make milliseconds of seconds. */
  scale: z.number().positive().max(1e9).default(1),
  labels: Labels.default({}),
});

/** What counts a signal that does not come as outcomes. It counts without units, so the error bound does not cover it. */
export const SignalSource = z.discriminatedUnion('type', [
  OtlpSource,
  PrometheusSignal,
  CloudWatchSignal,
  CloudMonitoringSignal,
]);
export type SignalSource = z.output<typeof SignalSource>;
