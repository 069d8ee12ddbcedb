import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { SignalManifest, SourceManifest } from '#libs/contracts';
import { startEmulator, type Emulator } from '#libs/emulators';
import type { AskedSignal, Reading } from '../asked.js';
import { CloudMonitoringClient } from './cloud-monitoring-client.js';

const minute = Math.floor(Date.now() / 60_000) * 60_000 - 600_000;
const window = (n: number) => ({ from: minute + n * 60_000, until: minute + (n + 1) * 60_000 });
const PUBLISHER = 'aiplatform.googleapis.com/publisher/online_serving';
const TOKEN = { HEADGATE_SOURCE_GOOGLE: 'token' };

let emulator: Emulator;
let model: string;
let count = 0;

beforeAll(async () => {
  emulator = await startEmulator();
});
beforeEach(() => {
  count += 1;
  model = `model-${count}`;
});
afterEach(() => emulator.play([]));
afterAll(() => emulator.close());

const write = async (metric: string, labels: Record<string, string>, n: number, value: object, id = model) => {
  const { from, until } = window(n);
  const answer = await fetch(`${emulator.url}/v3/projects/acme-1/timeSeries`, {
    method: 'POST',
    headers: { authorization: 'Bearer token' },
    body: JSON.stringify({
      timeSeries: [
        {
          metric: { type: `${PUBLISHER}/${metric}`, labels },
          resource: { type: 'aiplatform.googleapis.com/PublisherModel', labels: { model_user_id: id } },
          metricKind: 'DELTA',
          points: [
            { interval: { startTime: new Date(from).toISOString(), endTime: new Date(until).toISOString() }, value },
          ],
        },
      ],
    }),
  });
  expect(answer.status, await answer.clone().text()).toBe(200);
};
const invoked = (code: string, n: number, times: number, id = model) =>
  write('model_invocation_count', { response_code: code }, n, { int64Value: String(times) }, id);

const signal = (spec: Record<string, unknown>, source: Record<string, unknown>): AskedSignal => {
  const read = SignalManifest.shape.spec.parse({
    title: 'errors',
    ...spec,
    source: { type: 'cloud-monitoring', from: 'google', target: 'vertex-us', models: { haiku: model }, ...source },
  });
  return { signal: 'errors', type: read.type as 'rate', asked: read.source as AskedSignal['asked'] };
};
const rate = (source: Record<string, unknown>): AskedSignal => signal({ type: 'rate' }, source);

const client = (connection: Record<string, unknown> = {}, environment: Record<string, string> = TOKEN) =>
  new CloudMonitoringClient(
    SourceManifest.shape.spec.parse({
      type: 'cloud-monitoring',
      project: 'acme-1',
      endpoint: emulator.url,
      accessTokenEnv: 'HEADGATE_SOURCE_GOOGLE',
      ...connection,
    }) as never,
    environment,
  );

const readAll = async (one: AskedSignal, numbers: readonly number[], from = client()): Promise<readonly Reading[]> => {
  const asks = [{ signal: one, windows: numbers.map(window) }];
  return (await from.ask(asks, new AbortController().signal)).map(({ reading }) => reading);
};

const invokeAll = async (): Promise<void> => {
  await invoked('200', 0, 90);
  await invoked('400', 0, 4);
  await invoked('500', 0, 6);
  await invoked('429', 0, 10);
};

describe('what Cloud Monitoring says of publisher models', () => {
  it.each([
    ['errors', 10, 100],
    ['server-errors', 6, 100],
    ['throttles', 10, 110],
  ])('%s are told by their codes', async (builtIn, bad, requests) => {
    await invokeAll();
    expect(await readAll(rate({ builtIn }), [0])).toMatchObject([
      { kind: 'measured', points: [{ target: 'vertex-us', model: 'haiku', arm: undefined, bad, requests }] },
    ]);
  });

  it('several windows come with one question, and one without points is nothing', async () => {
    await invoked('200', 0, 5);
    await invoked('200', 2, 7);
    const before = emulator.requests('cloud-monitoring');
    const readings = await readAll(rate({ builtIn: 'errors' }), [0, 1, 2]);
    expect(readings).toMatchObject([{ points: [{ requests: 5 }] }, { kind: 'nothing' }, { points: [{ requests: 7 }] }]);
    expect(emulator.requests('cloud-monitoring') - before).toBe(1);
  });

  it.each([
    [
      { explicitBuckets: { bounds: [100, 400] } },
      ['1', '2', '1'],
      [
        [100, 1],
        [200, 2],
        [400, 1],
      ],
    ],
    [
      { exponentialBuckets: { numFiniteBuckets: 2, growthFactor: 4, scale: 25 } },
      ['1', '0', '2', '1'],
      [
        [25, 1],
        [200, 2],
        [400, 1],
      ],
    ],
    [{ linearBuckets: { numFiniteBuckets: 1, width: 300, offset: 100 } }, ['0', '2', '0'], [[200, 2]]],
  ])('first tokens come as a distribution with %j', async (bucketOptions, bucketCounts, values) => {
    const times = bucketCounts.reduce((sum, one) => sum + Number(one), 0);
    const distributionValue = { count: String(times), mean: 210, bucketOptions, bucketCounts };
    await write('first_token_latencies', {}, 0, { distributionValue });
    const one = signal({ type: 'distribution' }, { builtIn: 'time-to-first-token' });
    expect(await readAll(one, [0])).toMatchObject([{ kind: 'measured', points: [{ requests: times, values }] }]);
  });

  it('of a distribution without buckets all values count at the mean', async () => {
    await write('tokens', { type: 'output' }, 0, { distributionValue: { count: '3', mean: 120 } });
    await write('tokens', { type: 'input' }, 0, { distributionValue: { count: '3', mean: 9_000 } });
    const one = signal({ type: 'mean', range: [0, 4_096] }, { builtIn: 'output-tokens' });
    expect(await readAll(one, [0])).toMatchObject([{ points: [{ requests: 3, values: [[120, 3]] }] }]);
  });

  it('ids of arms are counted as arms, and any metric can be named', async () => {
    await invoked('200', 0, 40, `${model}-old`);
    await invoked('200', 0, 10, `${model}-new`);
    await invoked('503', 0, 2, `${model}-new`);
    const metric = `${PUBLISHER}/model_invocation_count`;
    const bad = { metric, where: { 'metric.labels.response_code': ['500', '503'] } };
    const arms = { router: { r1: { haiku: `${model}-old` }, r2: { haiku: `${model}-new` } } };
    const one = rate({ models: undefined, arms, requests: { metric }, bad });
    expect(await readAll(one, [0])).toMatchObject([
      {
        points: [
          { arm: { config: 'router', variant: 'r1' }, requests: 40, bad: 0 },
          { arm: { config: 'router', variant: 'r2' }, requests: 12, bad: 2 },
        ],
      },
    ]);
  });

  it.each([
    ['partial', 'a part only'],
    ['throttled', 'RESOURCE_EXHAUSTED'],
    ['server-error', 'INTERNAL'],
    ['unavailable', 'not JSON'],
    ['expired-credentials', 'UNAUTHENTICATED'],
    ['forbidden', 'PERMISSION_DENIED'],
    ['nonsense', 'not one of Cloud Monitoring'],
    ['cut-off', 'cannot be asked'],
  ] as const)('rule 3: an answer that is %s is a failure in words, and not zero', async (fault, words) => {
    await invokeAll();
    emulator.play([{ service: 'cloud-monitoring', fault }]);
    const [reading] = await readAll(rate({ builtIn: 'errors' }), [0]);
    expect(reading).toMatchObject({ kind: 'failed', words: expect.stringContaining(words) });
  });

  it('rule 3: no answer in time is a failure in words, and an empty one is nothing', async () => {
    await invokeAll();
    emulator.play([{ service: 'cloud-monitoring', fault: 'timeout' }]);
    const late = await readAll(rate({ builtIn: 'errors' }), [0], client({ timeout: '200ms' }));
    expect(late).toMatchObject([{ kind: 'failed', words: expect.stringContaining('did not answer') }]);
    emulator.play([{ service: 'cloud-monitoring', fault: 'empty' }]);
    expect(await readAll(rate({ builtIn: 'errors' }), [0])).toMatchObject([{ kind: 'nothing' }]);
  });

  it('without the token that the manifest names nothing is sent', async () => {
    const before = emulator.requests('cloud-monitoring');
    const [reading] = await readAll(rate({ builtIn: 'errors' }), [0], client({}, {}));
    expect(reading).toMatchObject({ kind: 'failed', words: expect.stringContaining('HEADGATE_SOURCE_GOOGLE') });
    expect(emulator.requests('cloud-monitoring')).toBe(before);
  });
});

describe('credentials of the usual places of Google', () => {
  it('are exchanged for a token by the library of Google, and the token is sent', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headgate-google-'));
    const bodies: string[] = [];
    const exchange = createServer((request, response) => {
      request.on('data', (chunk) => bodies.push(String(chunk)));
      request.on('end', () =>
        response.writeHead(200, { 'content-type': 'application/json' }).end(
          JSON.stringify({
            access_token: 'exchanged',
            issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
            token_type: 'Bearer',
            expires_in: 3_600,
          }),
        ),
      );
    });
    await new Promise<void>((resolve) => exchange.listen(0, '127.0.0.1', resolve));
    writeFileSync(join(folder, 'subject'), 'subject-token');
    writeFileSync(
      join(folder, 'credentials.json'),
      JSON.stringify({
        type: 'external_account',
        audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/p',
        subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
        token_url: `http://127.0.0.1:${(exchange.address() as AddressInfo).port}/token`,
        credential_source: { file: join(folder, 'subject') },
      }),
    );
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', join(folder, 'credentials.json'));
    try {
      await invokeAll();
      const from = client({ accessTokenEnv: undefined });
      const [reading] = await readAll(rate({ builtIn: 'errors' }), [0], from);
      expect(reading, JSON.stringify(reading)).toMatchObject({ kind: 'measured' });
      expect(bodies.join('')).toContain('subject-token');
    } finally {
      vi.unstubAllEnvs();
      exchange.closeAllConnections();
      await new Promise((resolve) => exchange.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('that are not there are a failure in words', async () => {
    vi.stubEnv('GOOGLE_APPLICATION_CREDENTIALS', '/nowhere/credentials.json');
    try {
      const [reading] = await readAll(rate({ builtIn: 'errors' }), [0], client({ accessTokenEnv: undefined }));
      expect(reading).toMatchObject({ kind: 'failed', words: expect.stringContaining('no access token of Google') });
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
