import { CloudWatchClient, GetMetricDataCommand, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import type { GetMetricDataCommandInput, PutMetricDataCommandInput } from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startEmulator, type Emulator } from './index.js';

let emulator: Emulator;
let client: CloudWatchClient;
const minute = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
const at = (minutes: number, seconds = 0): Date => new Date(minute + minutes * 60_000 + seconds * 1_000);

beforeAll(async () => {
  emulator = await startEmulator();
  client = new CloudWatchClient({
    region: 'us-east-1',
    endpoint: emulator.url,
    credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
});
beforeEach(() => emulator.play([]));
afterAll(async () => {
  client.destroy();
  await emulator.close();
});

const put = (MetricData: PutMetricDataCommandInput['MetricData'], Namespace = 'AWS/Bedrock') =>
  client.send(new PutMetricDataCommand({ Namespace, MetricData }));

const query = (Id: string, MetricName: string, Stat: string, model: string) => ({
  Id,
  MetricStat: {
    Metric: { Namespace: 'AWS/Bedrock', MetricName, Dimensions: [{ Name: 'ModelId', Value: model }] },
    Period: 60,
    Stat,
  },
});

const get = (queries: GetMetricDataCommandInput['MetricDataQueries'], more: Partial<GetMetricDataCommandInput> = {}) =>
  client.send(new GetMetricDataCommand({ MetricDataQueries: queries, StartTime: at(0), EndTime: at(5), ...more }));

describe('CloudWatch, emulated, with the client of AWS', () => {
  it('gives the statistics of each minute that something was put in, newest first', async () => {
    const Dimensions = [{ Name: 'ModelId', Value: 'statistics' }];
    const name = { MetricName: 'InvocationLatency', Dimensions };
    await put([
      { ...name, Timestamp: at(0, 10), Value: 100 },
      { ...name, Timestamp: at(0, 50), Values: [200, 400], Counts: [2, 1] },
      { ...name, Timestamp: at(2), StatisticValues: { SampleCount: 4, Sum: 80, Minimum: 10, Maximum: 40 } },
    ]);
    const { MetricDataResults } = await get([
      query('count', 'InvocationLatency', 'SampleCount', 'statistics'),
      query('sum', 'InvocationLatency', 'Sum', 'statistics'),
      query('average', 'InvocationLatency', 'Average', 'statistics'),
      query('tail', 'InvocationLatency', 'p95', 'statistics'),
    ]);
    const values = Object.fromEntries(MetricDataResults?.map(({ Id, Values }) => [Id, Values]) ?? []);
    expect(values).toEqual({ count: [4, 4], sum: [80, 900], average: [20, 225], tail: [400] });
    expect(MetricDataResults?.[0]?.Timestamps).toEqual([at(2), at(0)]);
    expect(MetricDataResults?.every(({ StatusCode }) => StatusCode === 'Complete')).toBe(true);
  });

  it('has no point where nothing was put, and no series for other dimensions', async () => {
    await put([
      { MetricName: 'Invocations', Dimensions: [{ Name: 'ModelId', Value: 'a' }], Timestamp: at(1), Value: 1 },
    ]);
    const { MetricDataResults } = await get([query('b', 'Invocations', 'Sum', 'b')]);
    expect(MetricDataResults).toEqual([
      { Id: 'b', Label: 'Invocations', StatusCode: 'Complete', Timestamps: [], Values: [] },
    ]);
  });

  it('gives long answers in pages, of which all but the last are partial', async () => {
    const Dimensions = [{ Name: 'ModelId', Value: 'pages' }];
    await put(
      [0, 1, 2].map((minutes) => ({ MetricName: 'Invocations', Dimensions, Timestamp: at(minutes), Value: 1 })),
    );
    const queries = [query('a', 'Invocations', 'Sum', 'pages')];
    const first = await get(queries, { MaxDatapoints: 2 });
    expect(first.MetricDataResults?.[0]).toMatchObject({ StatusCode: 'PartialData', Values: [1, 1] });
    const second = await get(queries, { MaxDatapoints: 2, NextToken: first.NextToken });
    expect(second.MetricDataResults?.[0]).toMatchObject({ StatusCode: 'Complete', Values: [1] });
    expect(second.NextToken).toBeUndefined();
  });

  it.each([
    ['more than 500 queries', Array.from({ length: 501 }, (_, n) => query(`q${n}`, 'M', 'Sum', 'm')), {}],
    ['an id twice', [query('a', 'M', 'Sum', 'm'), query('a', 'N', 'Sum', 'm')], {}],
    ['an id that begins with a digit', [query('1a', 'M', 'Sum', 'm')], {}],
    ['a statistic that is none', [query('a', 'M', 'Median', 'm')], {}],
    ['a span that ends before it begins', [query('a', 'M', 'Sum', 'm')], { EndTime: at(-1) }],
  ])('refuses %s', async (_, queries, more) => {
    await expect(get(queries, more)).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('refuses times more than two hours ahead and values that no double may be', async () => {
    const ahead = put([{ MetricName: 'M', Timestamp: new Date(Date.now() + 3 * 3_600_000), Value: 1 }]);
    await expect(ahead).rejects.toMatchObject({ name: expect.stringMatching(/^InvalidParameterValue/) });
    await expect(put([{ MetricName: 'M', Value: 2 ** 361 }])).rejects.toMatchObject({ name: 'ValidationException' });
    const lengths = put([{ MetricName: 'M', Values: [1, 2], Counts: [1] }]);
    await expect(lengths).rejects.toMatchObject({ name: 'ValidationException' });
  });

  it('refuses requests without a signature, or with an old one', async () => {
    const target = { 'x-amz-target': 'GraniteServiceVersion20100801.GetMetricData' };
    const unsigned = await fetch(emulator.url, { method: 'POST', headers: target, body: '{}' });
    expect([unsigned.status, unsigned.headers.get('x-amzn-query-error')]).toEqual([
      403,
      'MissingAuthenticationToken;Sender',
    ]);
    const slow = new CloudWatchClient({
      region: 'us-east-1',
      endpoint: emulator.url,
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      systemClockOffset: -3_600_000,
      maxAttempts: 1,
    });
    const old = slow.send(
      new GetMetricDataCommand({ MetricDataQueries: [query('a', 'M', 'Sum', 'm')], StartTime: at(0), EndTime: at(1) }),
    );
    await expect(old).rejects.toMatchObject({ name: 'RequestExpired' });
    slow.destroy();
  });

  it.each([
    ['throttled', 'Throttling'],
    ['server-error', 'InternalServiceFault'],
    ['expired-credentials', 'ExpiredToken'],
    ['forbidden', 'AccessDenied'],
  ] as const)('plays a script of faults: %s is %s once, and then all is well', async (fault, name) => {
    emulator.play([{ service: 'cloudwatch', fault }]);
    const queries = [query('a', 'M', 'Sum', 'm')];
    await expect(get(queries)).rejects.toMatchObject({ name: expect.stringContaining(name) });
    await expect(get(queries)).resolves.toMatchObject({ MetricDataResults: [{ Id: 'a' }] });
  });
});
