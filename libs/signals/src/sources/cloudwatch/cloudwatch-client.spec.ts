import { CloudWatchClient as Sdk, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SignalManifest, SourceManifest } from '#libs/contracts';
import { startEmulator, type Emulator } from '#libs/emulators';
import type { AskedSignal, Reading } from '../asked.js';
import { CloudWatchClient } from './cloudwatch-client.js';

const minute = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
const window = (n: number) => ({ from: minute + n * 60_000, until: minute + (n + 1) * 60_000 });

let emulator: Emulator;
let sdk: Sdk;
let model: string;
let count = 0;

beforeAll(async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'key');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'secret');
  emulator = await startEmulator();
  sdk = new Sdk({ region: 'us-east-1', endpoint: emulator.url });
});
beforeEach(() => {
  count += 1;
  model = `model-${count}`;
});
afterEach(() => emulator.play([]));
afterAll(async () => {
  sdk.destroy();
  vi.unstubAllEnvs();
  await emulator.close();
});

const put = (metric: string, n: number, values: readonly number[], id = model) =>
  sdk.send(
    new PutMetricDataCommand({
      Namespace: 'AWS/Bedrock',
      MetricData: [
        {
          MetricName: metric,
          Dimensions: [{ Name: 'ModelId', Value: id }],
          Timestamp: new Date(window(n).from + 5_000),
          Values: [...values],
        },
      ],
    }),
  );

const signal = (name: string, spec: Record<string, unknown>, source: Record<string, unknown>): AskedSignal => {
  const read = SignalManifest.shape.spec.parse({
    title: 'errors',
    ...spec,
    source: { type: 'cloudwatch', from: 'aws', target: 'bedrock-us', models: { haiku: model }, ...source },
  });
  return { signal: name, type: read.type as 'rate', asked: read.source as AskedSignal['asked'] };
};
const rate = (source: Record<string, unknown>): AskedSignal => signal('errors', { type: 'rate' }, source);

const client = (connection: Record<string, unknown> = {}): CloudWatchClient =>
  new CloudWatchClient(
    SourceManifest.shape.spec.parse({
      type: 'cloudwatch',
      region: 'us-east-1',
      endpoint: emulator.url,
      ...connection,
    }) as never,
  );

const readAll = async (one: AskedSignal, numbers: readonly number[], from = client()): Promise<readonly Reading[]> => {
  const asks = [{ signal: one, windows: numbers.map(window) }];
  const answers = await from.ask(asks, new AbortController().signal);
  from.close();
  return answers.map(({ reading }) => reading);
};

const invoke = async (n = 0): Promise<void> => {
  await put('Invocations', n, [90]);
  await put('InvocationClientErrors', n, [4]);
  await put('InvocationServerErrors', n, [6]);
  await put('InvocationThrottles', n, [10]);
};

describe('what CloudWatch says of Bedrock', () => {
  it.each([
    ['errors', 'invocations+errors', 10, 100],
    ['errors', 'invocations', 10, 90],
    ['server-errors', 'invocations+errors', 6, 100],
    ['throttles', 'invocations+errors', 10, 110],
    ['throttles', 'invocations', 10, 100],
  ])('%s are counted among %s', async (builtIn, denominator, bad, requests) => {
    await invoke();
    const [reading] = await readAll(rate({ builtIn }), [0], client({ denominator }));
    expect(reading).toMatchObject({
      kind: 'measured',
      points: [{ key: 'bedrock-us/haiku', target: 'bedrock-us', model: 'haiku', arm: undefined, bad, requests }],
    });
  });

  it('a minute without a point of errors had none, and a minute without any point is nothing', async () => {
    await put('Invocations', 0, [50]);
    const readings = await readAll(rate({ builtIn: 'errors' }), [0, 1]);
    expect(readings).toMatchObject([{ kind: 'measured', points: [{ bad: 0, requests: 50 }] }, { kind: 'nothing' }]);
  });

  it('latencies are known as an average only, which counts as often as it was sampled', async () => {
    await put('InvocationLatency', 0, [1_000, 2_000, 6_000]);
    const mean = { type: 'mean', range: [0, 60] };
    const [reading] = await readAll(signal('latency', mean, { builtIn: 'latency', scale: 0.001 }), [0]);
    expect(reading).toMatchObject({ kind: 'measured', points: [{ requests: 3, values: [[3, 3]] }] });
  });

  it('inference profiles of arms are counted as arms', async () => {
    await put('Invocations', 0, [40], `${model}-old`);
    await put('Invocations', 0, [10], `${model}-new`);
    await put('InvocationServerErrors', 0, [2], `${model}-new`);
    const arms = { router: { r1: { haiku: `${model}-old` }, r2: { haiku: `${model}-new` } } };
    const [reading] = await readAll(rate({ models: undefined, arms, builtIn: 'errors' }), [0]);
    expect(reading).toMatchObject({
      points: [
        { arm: { config: 'router', variant: 'r1' }, requests: 40, bad: 0 },
        { arm: { config: 'router', variant: 'r2' }, requests: 12, bad: 2 },
      ],
    });
  });

  it('metrics of any namespace can be named instead', async () => {
    const metric = (name: string) => ({ namespace: 'AWS/Bedrock', metric: name, dimensions: { ModelId: '$model' } });
    await invoke();
    const [reading] = await readAll(rate({ requests: metric('Invocations'), bad: metric('InvocationThrottles') }), [0]);
    expect(reading).toMatchObject({ points: [{ requests: 90, bad: 10 }] });
  });

  it('more than 500 statistics are asked for in several questions', async () => {
    await put('Invocations', 0, [1], `${model}-150`);
    const models = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`m${n}`, `${model}-${n}`]));
    const before = emulator.requests('cloudwatch');
    const [reading] = await readAll(rate({ models, builtIn: 'errors' }), [0]);
    expect(reading).toMatchObject({ points: [{ model: 'm150', requests: 1 }] });
    expect(emulator.requests('cloudwatch') - before).toBe(2);
  });

  it.each([
    ['partial', 'PartialData'],
    ['throttled', 'Throttling'],
    ['server-error', 'InternalServiceFault'],
    ['unavailable', 'CloudWatch cannot be asked'],
    ['expired-credentials', 'ExpiredToken'],
    ['forbidden', 'AccessDenied'],
    ['nonsense', 'not one of CloudWatch'],
    ['cut-off', 'CloudWatch'],
  ] as const)('rule 3: an answer that is %s is a failure in words, and not zero', async (fault, words) => {
    await invoke();
    emulator.play([{ service: 'cloudwatch', fault, times: 5 }]);
    const [reading] = await readAll(rate({ builtIn: 'errors' }), [0]);
    expect(reading).toMatchObject({ kind: 'failed', words: expect.stringContaining(words) });
  });

  it('rule 3: no answer in time is a failure in words, and an empty one is nothing', async () => {
    await invoke();
    emulator.play([{ service: 'cloudwatch', fault: 'timeout', times: 5 }]);
    const late = await readAll(rate({ builtIn: 'errors' }), [0], client({ timeout: '200ms' }));
    expect(late).toMatchObject([{ kind: 'failed', words: expect.stringContaining('in time') }]);
    emulator.play([{ service: 'cloudwatch', fault: 'empty' }]);
    expect(await readAll(rate({ builtIn: 'errors' }), [0])).toMatchObject([{ kind: 'nothing' }]);
  });
});
