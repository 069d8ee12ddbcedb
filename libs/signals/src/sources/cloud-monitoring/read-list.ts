import { z } from 'zod';
import type { HttpAnswer } from '../http-json.js';

const Int64 = z.union([z.string().regex(/^-?\d{1,19}$/), z.number()]).transform(Number);

const Buckets = z.object({
  explicitBuckets: z.object({ bounds: z.array(z.number()).default([]) }).optional(),
  exponentialBuckets: z
    .object({ numFiniteBuckets: z.number(), growthFactor: z.number(), scale: z.number() })
    .optional(),
  linearBuckets: z
    .object({ numFiniteBuckets: z.number(), width: z.number(), offset: z.number().default(0) })
    .optional(),
});

const Distribution = z.object({
  count: Int64.default(0),
  mean: z.number().default(0),
  bucketOptions: Buckets.optional(),
  bucketCounts: z.array(Int64).default([]),
});
export type Distribution = z.output<typeof Distribution>;

const Labels = z.object({ labels: z.record(z.string(), z.string()).default({}) });

const Page = z.object({
  timeSeries: z
    .array(
      z.object({
        metric: Labels.default({ labels: {} }),
        resource: Labels.default({ labels: {} }),
        points: z
          .array(
            z.object({
              interval: z.object({ endTime: z.string() }),
              value: z.object({
                int64Value: Int64.optional(),
                doubleValue: z.number().optional(),
                distributionValue: Distribution.optional(),
              }),
            }),
          )
          .default([]),
      }),
    )
    .default([]),
  nextPageToken: z.string().optional(),
  executionErrors: z.array(z.object({ message: z.string().default('') })).optional(),
});

const Failure = z.object({ error: z.object({ status: z.string().default(''), message: z.string().default('') }) });
const MOST_WORDS = 200;

export type ListedPoint = {
  readonly metricLabels: Readonly<Record<string, string>>;
  readonly resourceLabels: Readonly<Record<string, string>>;
  /** End of the period in epoch milliseconds. */
  readonly until: number;
  readonly value: number | Distribution;
};

export type ListPage =
  | { readonly kind: 'page'; readonly points: readonly ListedPoint[]; readonly next: string | undefined }
  | { readonly kind: 'failed'; readonly words: string };

/** Reads one page of timeSeries.list; whatever is not a whole one is a failure. */
export const readPage = (answer: HttpAnswer): ListPage => {
  if (answer.kind === 'failed') return answer;
  const { status, body } = answer;
  if (status !== 200) {
    const failure = Failure.safeParse(body);
    const words = failure.success
      ? ` ${failure.data.error.status}: ${failure.data.error.message.slice(0, MOST_WORDS)}`
      : '';
    return { kind: 'failed', words: `Cloud Monitoring answered ${status}${words}` };
  }
  const read = Page.safeParse(body);
  if (!read.success) return { kind: 'failed', words: 'the answer is not one of Cloud Monitoring' };
  const [error] = read.data.executionErrors ?? [];
  if (error)
    return { kind: 'failed', words: `Cloud Monitoring has a part only: ${error.message.slice(0, MOST_WORDS)}` };
  const points: ListedPoint[] = [];
  for (const { metric, resource, points: own } of read.data.timeSeries) {
    for (const { interval, value } of own) {
      const given = value.distributionValue ?? value.int64Value ?? value.doubleValue;
      const until = Date.parse(interval.endTime);
      if (given === undefined || Number.isNaN(until))
        return { kind: 'failed', words: 'a point of Cloud Monitoring has no value or no time' };
      points.push({ metricLabels: metric.labels, resourceLabels: resource.labels, until, value: given });
    }
  }
  const { nextPageToken } = read.data;
  return { kind: 'page', points, next: nextPageToken === '' ? undefined : nextPageToken };
};
