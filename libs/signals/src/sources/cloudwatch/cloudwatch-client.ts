import type { CloudWatchClient as Sdk, GetMetricDataCommandOutput, MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import { z } from 'zod';
import type { CloudWatchConnection, CloudWatchSignal } from '#libs/contracts';
import { SourceClient, type Answer, type Ask, type AskedSignal, type Span } from '../asked.js';
import { metricPlan, statisticKey, type SlicePlan, type Statistic } from './metric-plan.js';
import { readSlices, type StatisticResult } from './read-slices.js';
import { withDeadline } from '../deadline.js';

/** Limits of GetMetricData. */
const MOST_QUERIES = 500;
const MOST_POINTS = 100_000;
/** Pages of one question; more is an answer that never ends. */
const MOST_PAGES = 20;
const ATTEMPTS = 2;
const MOST_WORDS = 300;

const Page = z.object({
  MetricDataResults: z
    .array(
      z.object({
        Id: z.string(),
        StatusCode: z.string().optional(),
        Timestamps: z.array(z.date()).default([]),
        Values: z.array(z.number()).default([]),
      }),
    )
    .default([]),
  NextToken: z.string().optional(),
});

type Job = {
  readonly signal: AskedSignal;
  readonly asked: CloudWatchSignal;
  readonly windows: readonly Span[];
  readonly plans: readonly SlicePlan[];
};

const statisticsOf = ({ plans }: Job): readonly Statistic[] =>
  plans.flatMap(({ requests, bad, average }) => [...requests, ...bad, ...(average ? [average] : [])]);

const inWords = (error: unknown): string => {
  if (!(error instanceof Error)) return `CloudWatch cannot be asked: ${String(error)}`;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'CloudWatch did not answer in time';
  return `CloudWatch cannot be asked: ${error.name}: ${error.message}`.slice(0, MOST_WORDS);
};

const queryOf = (id: string, { namespace, metric, stat, dimensions }: Statistic, period: number): MetricDataQuery => ({
  Id: id,
  MetricStat: {
    Metric: {
      Namespace: namespace,
      MetricName: metric,
      Dimensions: Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value })),
    },
    Period: period,
    Stat: stat,
  },
});

const chunksOf = <T>(items: readonly T[], size: number): readonly (readonly T[])[] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));

/**
 * Asks CloudWatch by GetMetricData, all signals of the same rhythm together, each statistic once. Credentials come from
 * the usual places of the AWS SDK. The SDK is loaded with the first question, as most controllers have none.
 */
export class CloudWatchClient extends SourceClient {
  readonly #connection: CloudWatchConnection;
  #sdk: Promise<{ readonly client: Sdk; readonly module: typeof import('@aws-sdk/client-cloudwatch') }> | undefined;

  constructor(connection: CloudWatchConnection) {
    super();
    this.#connection = connection;
  }

  async ask(asks: readonly Ask[], stop: AbortSignal): Promise<readonly Answer[]> {
    const jobs = asks.flatMap(({ signal, windows }): readonly Job[] =>
      signal.asked.type === 'cloudwatch'
        ? [{ signal, asked: signal.asked, windows, plans: metricPlan(signal.asked, this.#connection.denominator) }]
        : [],
    );
    const rhythms = new Set(jobs.map(({ asked }) => asked.every));
    const answers = await Promise.all(
      [...rhythms].map((every) =>
        this.#askTogether(
          jobs.filter(({ asked }) => asked.every === every),
          every,
          stop,
        ),
      ),
    );
    return answers.flat();
  }

  close(): void {
    void this.#sdk?.then(({ client }) => client.destroy()).catch(() => undefined);
  }

  async #askTogether(jobs: readonly Job[], every: number, stop: AbortSignal): Promise<readonly Answer[]> {
    const windows = jobs.flatMap((job) => job.windows);
    const span = {
      from: Math.min(...windows.map(({ from }) => from)),
      until: Math.max(...windows.map(({ until }) => until)),
    };
    const statistics = new Map(jobs.flatMap(statisticsOf).map((one) => [statisticKey(one), one] as const));
    try {
      const results = new Map<string, StatisticResult>();
      const each = Math.max(1, Math.min(MOST_QUERIES, Math.floor(MOST_POINTS / ((span.until - span.from) / every))));
      for (const some of chunksOf([...statistics], each))
        for (const [key, result] of await this.#get(some, span, every, stop)) results.set(key, result);
      return jobs.flatMap(({ signal, asked, windows: own, plans }) =>
        own.map((window): Answer => ({
          signal: signal.signal,
          window,
          reading: readSlices(signal, asked, plans, results, window),
        })),
      );
    } catch (error) {
      // One answer for each signal: what was not asked for stays due.
      return jobs.flatMap(({ signal, windows: own }) =>
        own.slice(0, 1).map((window): Answer => ({
          signal: signal.signal,
          window,
          reading: { kind: 'failed', words: inWords(error) },
        })),
      );
    }
  }

  async #get(
    statistics: readonly (readonly [key: string, Statistic])[],
    { from, until }: Span,
    every: number,
    stop: AbortSignal,
  ): Promise<ReadonlyMap<string, StatisticResult>> {
    const keys = new Map(statistics.map(([key], at) => [`q${at}`, key]));
    const queries = statistics.map(([, statistic], at) => queryOf(`q${at}`, statistic, every / 1_000));
    const values = new Map<string, Map<number, number>>();
    const status = new Map<string, string>();
    let token: string | undefined;
    for (let page = 0; page === 0 || token !== undefined; page += 1) {
      if (page === MOST_PAGES) throw new Error(`the answer has more than ${MOST_PAGES} pages`);
      const output = Page.safeParse(await this.#page(queries, { from, until }, token, stop));
      if (!output.success) throw new Error('the answer is not one of CloudWatch');
      for (const result of output.data.MetricDataResults) {
        const key = keys.get(result.Id);
        if (key === undefined) continue;
        const known = values.get(key) ?? new Map<number, number>();
        values.set(key, known);
        // Of a result that goes on with the next page, the last word counts.
        status.set(key, result.StatusCode ?? 'no status');
        for (const [at, time] of result.Timestamps.entries()) {
          const value = result.Values[at];
          if (value !== undefined) known.set(time.getTime(), value);
        }
      }
      token = output.data.NextToken;
    }
    return new Map([...values].map(([key, known]) => [key, { status: status.get(key) ?? 'no status', values: known }]));
  }

  async #page(
    queries: MetricDataQuery[],
    { from, until }: Span,
    token: string | undefined,
    stop: AbortSignal,
  ): Promise<GetMetricDataCommandOutput> {
    const { client, module } = await (this.#sdk ??= this.#load());
    const command = new module.GetMetricDataCommand({
      MetricDataQueries: queries,
      StartTime: new Date(from),
      EndTime: new Date(until),
      ScanBy: 'TimestampAscending',
      ...(token === undefined ? {} : { NextToken: token }),
    });
    return withDeadline(stop, this.#connection.timeout, (abortSignal) => client.send(command, { abortSignal }));
  }

  async #load() {
    const module = await import('@aws-sdk/client-cloudwatch');
    const { region, endpoint, profile } = this.#connection;
    const client = new module.CloudWatchClient({
      region,
      maxAttempts: ATTEMPTS,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(profile === undefined ? {} : { profile }),
    });
    return { client, module };
  }
}
