import { MetricServiceClient } from '@google-cloud/monitoring';
import { OAuth2Client } from 'google-auth-library';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from './index.js';

let emulator: Emulator;
let client: MetricServiceClient;
const minute = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
const second = (minutes: number): { readonly seconds: number } => ({ seconds: minute / 1_000 + minutes * 60 });
const interval = (from: number, until: number) => ({ startTime: second(from), endTime: second(until) });

const COUNT = 'aiplatform.googleapis.com/publisher/online_serving/model_invocation_count';
const FIRST = 'aiplatform.googleapis.com/publisher/online_serving/first_token_latencies';
const resource = (model: string) => ({
  type: 'aiplatform.googleapis.com/PublisherModel',
  labels: { model_user_id: model, publisher: 'anthropic', location: 'us-east5' },
});

beforeAll(async () => {
  emulator = await startEmulator();
  const authClient = new OAuth2Client();
  authClient.setCredentials({ access_token: 'token', expiry_date: Date.now() + 3_600_000 });
  client = new MetricServiceClient({
    fallback: true,
    protocol: 'http',
    apiEndpoint: '127.0.0.1',
    port: Number(new URL(emulator.url).port),
    authClient: authClient as never,
    projectId: 'p',
  });
});
beforeEach(() => emulator.play([]));
afterAll(async () => {
  await client.close();
  await emulator.close();
});

const counts = (model: string, code: string, at: number, value: number) =>
  client.createTimeSeries({
    name: 'projects/p',
    timeSeries: [
      {
        metric: { type: COUNT, labels: { response_code: code } },
        resource: resource(model),
        metricKind: 'DELTA',
        valueType: 'INT64',
        points: [{ interval: interval(at, at + 1), value: { int64Value: value } }],
      },
    ],
  });

const list = (filter: string, aggregation: object = {}, span = interval(0, 5)) =>
  client.listTimeSeries({ name: 'projects/p', filter, interval: span, aggregation });

const DELTA = { alignmentPeriod: { seconds: 60 }, perSeriesAligner: 'ALIGN_DELTA' as const };

describe('Cloud Monitoring, emulated, with the client of Google', () => {
  it('puts series together by the labels that are asked for, newest points first', async () => {
    await counts('sonnet', '200', 0, 90);
    await counts('sonnet', '200', 1, 80);
    await counts('sonnet', '500', 1, 7);
    await counts('haiku', '200', 1, 1_000);
    const [series] = await list(`metric.type = "${COUNT}" AND resource.labels.model_user_id = one_of("sonnet")`, {
      ...DELTA,
      crossSeriesReducer: 'REDUCE_SUM',
      groupByFields: ['metric.labels.response_code'],
    });
    const read = series.map(({ metric, points }) => [
      metric?.labels?.['response_code'],
      points?.map(({ value }) => Number(value?.int64Value)),
    ]);
    expect(read.toSorted()).toEqual([
      ['200', [80, 90]],
      ['500', [7]],
    ]);
  });

  it('puts distributions together bucket by bucket', async () => {
    const put = (location: string, bucketCounts: readonly number[], count: number, mean: number) =>
      client.createTimeSeries({
        name: 'projects/p',
        timeSeries: [
          {
            metric: { type: FIRST },
            resource: { ...resource('sonnet'), labels: { ...resource('sonnet').labels, location } },
            metricKind: 'DELTA',
            valueType: 'DISTRIBUTION',
            points: [
              {
                interval: interval(0, 1),
                value: {
                  distributionValue: {
                    count,
                    mean,
                    bucketOptions: { explicitBuckets: { bounds: [100, 200] } },
                    bucketCounts: [...bucketCounts],
                  },
                },
              },
            ],
          },
        ],
      });
    await put('us', [1, 2, 0], 3, 120);
    await put('eu', [0, 1, 1], 2, 220);
    const [series] = await list(`metric.type = "${FIRST}"`, { ...DELTA, crossSeriesReducer: 'REDUCE_SUM' });
    const value = series[0]?.points?.[0]?.value?.distributionValue;
    expect([Number(value?.count), value?.mean, value?.bucketCounts?.map(Number)]).toEqual([5, 160, [1, 3, 1]]);
  });

  it('gives nothing for a project that has nothing', async () => {
    const [series] = await client.listTimeSeries({
      name: 'projects/other',
      filter: `metric.type = "${COUNT}"`,
      interval: interval(0, 5),
    });
    expect(series).toEqual([]);
  });

  it.each([
    ['a filter without a metric', 'resource.labels.model_user_id = "m"', {}],
    ['a filter that cannot be read', `metric.type ~ "${COUNT}"`, {}],
    ['a period below a minute', `metric.type = "${COUNT}"`, { ...DELTA, alignmentPeriod: { seconds: 30 } }],
    ['a reducer without an aligner', `metric.type = "${COUNT}"`, { crossSeriesReducer: 'REDUCE_SUM' }],
    ['sums of distributions', `metric.type = "${FIRST}"`, { ...DELTA, perSeriesAligner: 'ALIGN_SUM' }],
  ])('refuses %s', async (_, filter, aggregation) => {
    await expect(list(filter, aggregation)).rejects.toMatchObject({ code: 400 });
  });

  it('takes points of a series in order only', async () => {
    await counts('order', '200', 3, 1);
    await expect(counts('order', '200', 2, 1)).rejects.toMatchObject({ code: 400 });
    await expect(counts('order', '200', 3, 1)).rejects.toMatchObject({ code: 400 });
  });

  it('refuses whoever shows no token', async () => {
    const answer = await fetch(`${emulator.url}/v3/projects/p/timeSeries`);
    expect([answer.status, await answer.json()]).toMatchObject([401, { error: { status: 'UNAUTHENTICATED' } }]);
  });

  it.each([
    ['forbidden', 403],
    ['expired-credentials', 401],
  ] as const)('plays a script of faults: %s is answered with %d once, and then all is well', async (fault, code) => {
    emulator.play([{ service: 'cloud-monitoring', fault }]);
    await expect(list(`metric.type = "${COUNT}"`)).rejects.toMatchObject({ code });
    await expect(list(`metric.type = "${COUNT}"`)).resolves.toBeDefined();
  });
});
