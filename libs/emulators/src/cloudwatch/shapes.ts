import { z } from 'zod';

const Dimensions = z
  .array(z.object({ Name: z.string().min(1).max(255), Value: z.string().min(1).max(1_024) }))
  .max(30)
  .default([]);
const Name = z.string().min(1).max(255);

const LARGEST = 2 ** 360;
const Value = z.number().min(-LARGEST).max(LARGEST);

export const PutMetricData = z.object({
  Namespace: Name.regex(/^[^:]/),
  MetricData: z
    .array(
      z
        .object({
          MetricName: Name,
          Dimensions,
          Timestamp: z.number().optional(),
          Value: Value.optional(),
          Values: z.array(Value).max(150).optional(),
          Counts: z.array(z.number().positive()).max(150).optional(),
          StatisticValues: z.object({ SampleCount: Value, Sum: Value, Minimum: Value, Maximum: Value }).optional(),
          Unit: z.string().optional(),
          StorageResolution: z.int().optional(),
        })
        .refine(
          (datum) => [datum.Value, datum.Values, datum.StatisticValues].filter((one) => one !== undefined).length === 1,
          'exactly one of Value, Values and StatisticValues',
        )
        .refine(
          ({ Values, Counts }) => Counts === undefined || Counts.length === Values?.length,
          'Counts must be as many as Values',
        ),
    )
    .min(1)
    .max(1_000),
});

const Period = z
  .int()
  .refine((period) => [1, 5, 10, 20, 30].includes(period) || (period > 0 && period % 60 === 0), 'a multiple of 60');

const Stat = z
  .string()
  .regex(/^(SampleCount|Sum|Average|Minimum|Maximum|p(100|\d{1,2}(\.\d{1,10})?))$/, 'no statistic that is known here');

export const GetMetricData = z
  .object({
    MetricDataQueries: z
      .array(
        z.object({
          Id: z.string().regex(/^[a-z][a-zA-Z0-9_]{0,254}$/),
          MetricStat: z.object({
            Metric: z.object({ Namespace: Name, MetricName: Name, Dimensions }),
            Period,
            Stat,
            Unit: z.string().optional(),
          }),
          Label: z.string().optional(),
          ReturnData: z.boolean().default(true),
        }),
      )
      .min(1)
      .max(500, 'The collection MetricDataQueries must not have a size greater than 500.'),
    StartTime: z.number(),
    EndTime: z.number(),
    NextToken: z.string().optional(),
    ScanBy: z.enum(['TimestampDescending', 'TimestampAscending']).default('TimestampDescending'),
    MaxDatapoints: z.int().min(1).max(100_800).default(100_800),
  })
  .refine(({ StartTime, EndTime }) => StartTime < EndTime, 'The parameter StartTime must be less than EndTime.')
  .refine(
    ({ MetricDataQueries }) => new Set(MetricDataQueries.map(({ Id }) => Id)).size === MetricDataQueries.length,
    'The ids of MetricDataQueries must be unique.',
  );
export type GetMetricData = z.output<typeof GetMetricData>;
