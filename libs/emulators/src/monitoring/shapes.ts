import { z } from 'zod';

/** Clients send enums by name or by number. */
const named = <const Names extends readonly string[]>(names: Names) =>
  z
    .union([z.string(), z.number()])
    .transform((given): string => {
      const text = String(given);
      return /^\d+$/.test(text) ? (names[Number(text)] ?? text) : text;
    })
    .refine((name) => name !== '' && names.includes(name), { error: 'not a value of this enum' });

export const ALIGNERS = [
  'ALIGN_NONE',
  'ALIGN_DELTA',
  'ALIGN_RATE',
  '',
  '',
  '',
  '',
  '',
  '',
  '',
  'ALIGN_MIN',
  'ALIGN_MAX',
  'ALIGN_MEAN',
  'ALIGN_COUNT',
  'ALIGN_SUM',
] as const;
export const Aligner = named(ALIGNERS);
export const Reducer = named(['REDUCE_NONE', 'REDUCE_MEAN', 'REDUCE_MIN', 'REDUCE_MAX', 'REDUCE_SUM'] as const);
const MetricKind = named(['METRIC_KIND_UNSPECIFIED', 'GAUGE', 'DELTA', 'CUMULATIVE'] as const);
const ValueType = named(['VALUE_TYPE_UNSPECIFIED', 'BOOL', 'INT64', 'DOUBLE', 'STRING', 'DISTRIBUTION'] as const);

const Int64 = z.union([z.string().regex(/^-?\d{1,19}$/), z.int()]).transform(Number);
const Time = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

const BucketOptions = z.union([
  z.object({ explicitBuckets: z.object({ bounds: z.array(z.number()) }) }),
  z.object({
    exponentialBuckets: z.object({
      numFiniteBuckets: z.int().positive(),
      growthFactor: z.number().gt(1),
      scale: z.number().positive(),
    }),
  }),
  z.object({
    linearBuckets: z.object({ numFiniteBuckets: z.int().positive(), width: z.number().positive(), offset: z.number() }),
  }),
]);

export const Distribution = z.object({
  count: Int64.default(0),
  mean: z.number().default(0),
  sumOfSquaredDeviation: z.number().default(0),
  bucketOptions: BucketOptions.optional(),
  bucketCounts: z.array(Int64).default([]),
});
export type Distribution = z.output<typeof Distribution>;

const Labels = z.record(z.string(), z.string()).default({});
const Place = z.object({ type: z.string().min(1), labels: Labels });

export const CreateTimeSeries = z.object({
  timeSeries: z
    .array(
      z.object({
        metric: Place,
        resource: Place,
        metricKind: MetricKind.optional(),
        valueType: ValueType.optional(),
        points: z
          .array(
            z.object({
              interval: z.object({ startTime: Time.optional(), endTime: Time }),
              value: z.union([
                z.object({ int64Value: Int64 }),
                z.object({ doubleValue: z.number() }),
                z.object({ distributionValue: Distribution }),
              ]),
            }),
          )
          .length(1, 'each series must have exactly one point'),
      }),
    )
    .min(1)
    .max(200, 'at most 200 series can be written at once'),
});

export const ListQuery = z.object({
  filter: z.string().min(1),
  start: Time,
  end: Time,
  alignmentPeriod: z
    .string()
    .regex(/^\d+(\.\d+)?s$/)
    .transform((text) => Number(text.slice(0, -1)) * 1_000)
    .optional(),
  aligner: Aligner.default('ALIGN_NONE'),
  reducer: Reducer.default('REDUCE_NONE'),
  groupBy: z.array(z.string()),
  pageSize: z.coerce.number().int().min(1).max(100_000).default(100_000),
  pageToken: z.string().optional(),
});
export type ListQuery = z.output<typeof ListQuery>;
