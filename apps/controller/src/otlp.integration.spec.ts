import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { OTLPMetricExporter as JsonExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPLogExporter as JsonLogExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import {
  AggregationTemporality,
  AggregationType,
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from '@opentelemetry/sdk-metrics';
import { logs } from '@opentelemetry/api-logs';
import { EventHook } from '@openfeature/open-telemetry-hooks';
import { FlagdProvider } from '@openfeature/flagd-provider';
import { OpenFeature } from '@openfeature/server-sdk';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ask, clientOf } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, manifest, plan, stage, track, world } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

const TARGET = 'api-tpu';
const SLOW = [stage('10%', { bake: '1h', activation: 0 }), stage('100%', { activation: 0 })];

let database: TestDatabase;
let controller: InProcess;
let fleet: TinyFleet;
let router: string;
let rollout: string;
let count = 0;

const counted = () => [
  manifest('Signal', 'timeouts', {
    type: 'rate',
    title: 'timeouts',
    source: {
      type: 'otlp',
      requests: { metric: 'gateway.requests' },
      bad: { metric: 'gateway.requests', where: { outcome: 'timeout' } },
    },
  }),
  manifest('Signal', 'first-token', {
    type: 'distribution',
    title: 'time to first token',
    unit: 'ms',
    source: { type: 'otlp', builtIn: 'time-to-first-token', scale: 1_000 },
  }),
  plan('counted', [track('api', [TARGET], { stages: SLOW })], {
    signals: [
      { signal: 'timeouts', tolerate: 'none' },
      { signal: 'first-token', tolerate: 'none' },
      { signal: 'wrong-pool' },
    ],
  }),
];

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  await clientOf(controller.operator).apply({ manifests: [...world(), ...counted()] });
  fleet = new TinyFleet(controller.service, [TARGET]);
  fleet.start();
});

beforeEach(async () => {
  router = `router-${(count += 1)}`;
  for (const window of [1, 2]) await clientOf(controller.operator).apply({ manifests: [config(router, { window })] });
  await until('the target has traffic', () => (fleet.counted.get(TARGET) ?? 0) > 0);
  const start = { config: router, plan: 'counted', reason: 'for the test' };
  rollout = (await clientOf(controller.operator).start(start)).id;
  await until('the candidate is served', () => fleet.arms(TARGET, router).some(({ revision }) => revision === 2));
});

afterAll(async () => {
  await fleet.stop();
  await controller.stop();
  await database.drop();
});

const headers = () => ({ Authorization: `Bearer ${controller.service.token}` });
const attributesOf = (revision: number) => ({
  'feature_flag.key': router,
  'feature_flag.result.variant': `r${revision}`,
});

/** A process that measures: its reader exports when it is asked to. */
const processOf = (exporter: PushMetricExporter, instance: string, more: object = {}) => {
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const resource = resourceFromAttributes({ 'headgate.target': TARGET, 'service.instance.id': instance, ...more });
  const view = {
    instrumentName: 'gen_ai.server.time_to_first_token',
    aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM },
  } as const;
  const provider = new MeterProvider({ readers: [reader], resource, views: [view] });
  const meter = provider.getMeter('gateway');
  return {
    requests: meter.createCounter('gateway.requests'),
    firstToken: meter.createHistogram('gen_ai.server.time_to_first_token'),
    others: meter.createHistogram('http.server.request.duration'),
    send: () => reader.forceFlush(),
    stop: () => provider.shutdown(),
  };
};

const samples = async () => {
  const { samples: all } = await controller.controller.core.evidence.requests(rollout);
  return Object.fromEntries(all.map(({ signal, candidate, control }) => [signal, [candidate, control]]));
};
/** What its looks have been told of a signal; whoever conducts the rollout takes them. */
const lookedAt = async (signal: string) => {
  const { evidence } = controller.controller.core;
  await evidence.foldLook(rollout, Date.now());
  const looks = await evidence.readLooks(rollout, 0);
  return looks.flatMap(({ cells }) => cells.filter((cell) => cell.signal === signal));
};

/** Hands requests on, and loses some of the answers. */
const losing = async (answers: number): Promise<{ readonly url: string; readonly server: Server; lost: number }> => {
  const proxy = { url: '', lost: 0 };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', async () => {
      const answer = await fetch(`${controller.service.url}${request.url}`, {
        method: 'POST',
        headers: { ...headers(), 'content-type': String(request.headers['content-type']) },
        body: Buffer.concat(chunks),
      });
      const body = Buffer.from(await answer.arrayBuffer());
      const isLost = proxy.lost < answers;
      if (isLost) proxy.lost += 1;
      if (isLost) response.writeHead(503, { 'retry-after': '0' }).end();
      else response.writeHead(answer.status, { 'content-type': String(answer.headers.get('content-type')) }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(proxy, { server });
};

describe("OpenTelemetry's exporters", () => {
  it('bring deltas as JSON, point by point to the arms of the rollout', async () => {
    const temporalityPreference = AggregationTemporality.DELTA;
    const url = `${controller.service.url}/v1/metrics`;
    const gateway = processOf(new JsonExporter({ url, headers: headers(), temporalityPreference }), 'json');
    gateway.requests.add(30, attributesOf(2));
    gateway.requests.add(2, { ...attributesOf(2), outcome: 'timeout' });
    gateway.requests.add(270, attributesOf(1));
    gateway.firstToken.record(0.4, attributesOf(2));
    gateway.others.record(7, attributesOf(2));
    await gateway.send();
    expect(await samples()).toEqual({ timeouts: [32, 270], 'first-token': [1, 0] });
    gateway.requests.add(10, attributesOf(1));
    await gateway.send();
    await gateway.stop();
    expect((await samples())['timeouts']).toEqual([32, 280]);
    expect(await lookedAt('timeouts')).toMatchObject([{ candidateBad: 2, candidateRequests: 32 }]);
    const [bin] = (await lookedAt('first-token')).flatMap(({ bins = [] }) => bins);
    expect(bin?.[0]).toBeGreaterThan(390);
    expect(bin?.[0]).toBeLessThan(410);
  });

  it('bring cumulative points as packed protobuf, of which only what is new counts', async () => {
    const url = `${controller.service.url}/v1/metrics`;
    const temporalityPreference = AggregationTemporality.CUMULATIVE;
    const packed = { compression: 'gzip' } as ConstructorParameters<typeof ProtoExporter>[0];
    const exporter = new ProtoExporter({ url, headers: headers(), temporalityPreference, ...packed });
    const gateway = processOf(exporter, 'protobuf');
    gateway.requests.add(1_000, attributesOf(1));
    gateway.firstToken.record(0.2, attributesOf(1));
    await gateway.send();
    // What was counted before anybody looked is not known to be of this time.
    expect(await samples()).toEqual({});
    gateway.requests.add(200, attributesOf(1));
    gateway.requests.add(20, attributesOf(2));
    gateway.requests.add(1, { ...attributesOf(2), outcome: 'timeout' });
    for (const seconds of [0.2, 0.8, 50]) gateway.firstToken.record(seconds, attributesOf(1));
    await gateway.send();
    await gateway.send();
    await gateway.stop();
    expect(await samples()).toEqual({ timeouts: [21, 200], 'first-token': [0, 3] });
    const bins = (await lookedAt('first-token')).flatMap(({ bins: each = [] }) => each);
    expect(bins.map(([value, , control]) => [Number(value.toPrecision(1)), control])).toEqual([
      [200, 1],
      [800, 1],
      [50_000, 1],
    ]);
  });

  it('that are told to come again are counted once, whether or not the first time was counted', async () => {
    const proxy = await losing(1);
    const temporalityPreference = AggregationTemporality.DELTA;
    const exporter = new ProtoExporter({ url: `${proxy.url}/v1/metrics`, headers: headers(), temporalityPreference });
    const gateway = processOf(exporter, 'retried');
    gateway.requests.add(50, attributesOf(2));
    await gateway.send();
    await gateway.stop();
    proxy.server.close();
    expect(proxy.lost).toBe(1);
    expect((await samples())['timeouts']).toEqual([50, 0]);
  });

  it.each([
    ['JSON', JsonLogExporter],
    ['protobuf', ProtoLogExporter],
  ])('bring records of evaluations as %s: who was served, for activation, and no id of a user', async (_, Exporter) => {
    const exporter = new Exporter({ url: `${controller.service.url}/v1/logs`, headers: headers() });
    const resource = resourceFromAttributes({ 'service.instance.id': 'evaluator' });
    const provider = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter })] });
    logs.disable();
    logs.setGlobalLoggerProvider(provider);
    const domain = `otlp-${router}`;
    await OpenFeature.setProviderAndWait(
      domain,
      new FlagdProvider({
        resolverType: 'in-process',
        deadlineMs: 30_000,
        host: '127.0.0.1',
        port: controller.controller.syncPort,
        selector: `${TARGET}?token=${controller.service.token}`,
      }),
    );
    const client = OpenFeature.getClient(domain);
    client.addHooks(new EventHook());
    await until('the rollout has arrived', async () => {
      const { reason } = await client.getObjectDetails(router, {}, { targetingKey: 'anybody' });
      return reason === 'TARGETING_MATCH' || reason === 'SPLIT';
    });
    await provider.forceFlush();
    const before = await controller.controller.core.evidence.totals(rollout);
    const variants: (string | undefined)[] = [];
    for (let n = 0; n < 200; n += 1) {
      const { variant } = await client.getObjectDetails(router, {}, { targetingKey: `user-${n}@example.org` });
      variants.push(variant);
    }
    await client.getObjectDetails(router, {}, {});
    await provider.forceFlush();
    await provider.shutdown();
    await OpenFeature.clearProviders();
    const onCandidate = variants.filter((variant) => variant === 'r2').length;
    expect(onCandidate).toBeGreaterThan(0);
    const { slices } = await controller.controller.core.evidence.totals(rollout);
    const [was, is] = [before.slices[0], slices[0]];
    // The tiny fleet reports as well: its requests come by the hundred, and none of it without a key.
    expect((is?.candidateRequests ?? 0) - (was?.candidateRequests ?? 0) - onCandidate).toSatisfy(
      (n: number) => n % 100 === 0,
    );
    expect((is?.unassigned ?? 0) - (was?.unassigned ?? 0)).toBe(1);
    const { rows } = await database.pool.query<{ unit: string }>(
      'select unit from evidence.candidate_units where rollout = $1 and unit ~ $2',
      [rollout, '^sha256:[0-9a-f]{32}$'],
    );
    expect(rows.length).toBeGreaterThanOrEqual(Math.min(onCandidate, 64));
    const leaked = await database.pool.query(`select from evidence.candidate_units where unit like '%example.org%'`);
    expect(leaked.rows).toEqual([]);
  });
});

const point = (over: object = {}) => ({
  attributes: [
    { key: 'headgate.target', value: { stringValue: TARGET } },
    { key: 'feature_flag.key', value: { stringValue: router } },
    { key: 'feature_flag.result.variant', value: { stringValue: 'r2' } },
  ],
  startTimeUnixNano: String(Date.now() * 1e6),
  timeUnixNano: String(Date.now() * 1e6),
  asInt: '5',
  ...over,
});
const requestOf = (...dataPoints: object[]) => ({
  resourceMetrics: [
    {
      resource: { attributes: [{ key: 'service.instance.id', value: { stringValue: `by-hand-${router}` } }] },
      scopeMetrics: [
        {
          metrics: [{ name: 'gateway.requests', sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints } }],
        },
      ],
    },
  ],
});
const post = (path: string, body: unknown, over: Record<string, string> = {}, door = controller.service) =>
  ask(door, 'POST', path, { body, headers: over });

describe('The answers of OTLP', () => {
  it('say how many points were refused and why; the others are kept', async () => {
    const elsewhere = [{ key: 'headgate.target', value: { stringValue: 'mars' } }];
    const answer = await post('/v1/metrics', requestOf(point(), point({ attributes: elsewhere })));
    expect([answer.status, answer.type]).toEqual([200, 'application/json; charset=utf-8']);
    expect(answer.json).toEqual({
      partialSuccess: {
        rejectedDataPoints: '1',
        errorMessage:
          '1 data points were refused, the rest is kept. 1 × gateway.requests: Target mars is not registered: apply its manifest first or correct the name. (unknown-target)',
      },
    });
    expect((await samples())['timeouts']).toEqual([5, 0]);
    expect((await post('/v1/metrics', requestOf())).text).toBe('{}');
  });

  it('are of the format that was sent, packed or not', async () => {
    const protobuf = { 'content-type': 'application/x-protobuf' };
    const empty = await post('/v1/logs', new Uint8Array(), protobuf);
    expect([empty.status, empty.type, empty.text]).toEqual([200, 'application/x-protobuf', '']);
    const packed = gzipSync(JSON.stringify(requestOf(point())));
    expect((await post('/v1/metrics', packed, { 'content-encoding': 'gzip' })).status).toBe(200);
    expect((await samples())['timeouts']).toEqual([5, 0]);
    const nonsense = await post('/v1/metrics', new Uint8Array([10, 200]), protobuf);
    expect([nonsense.status, nonsense.type]).toEqual([400, 'application/x-protobuf']);
    expect(nonsense.text).toContain('The body is no such message in protobuf');
  });

  it.each([
    ['no JSON', '{', {}, 400],
    ['another message', '{"resourceMetrics": 1}', {}, 400],
    ['attributes that are none', '{"resourceMetrics":[{"resource":{"attributes":[1]}}]}', {}, 400],
    ['what is not packed, but said to be', '{}', { 'content-encoding': 'gzip' }, 400],
    ['another packing', '{}', { 'content-encoding': 'br' }, 415],
    ['another format', 'a=b', { 'content-type': 'text/plain' }, 415],
  ])('are a status where the body is %s', async (_, body, over, status) => {
    const answer = await post('/v1/metrics', body, over);
    expect(answer.status).toBe(status);
    expect(answer.json).toEqual({ code: 3, message: expect.any(String) as string });
  });

  it('refuse bodies that are too large, also where they only become so when they are unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(65 * 1024 * 1024, ' '));
    expect(bomb.length).toBeLessThan(100_000);
    const answer = await post('/v1/metrics', bomb, { 'content-encoding': 'gzip' });
    expect([answer.status, answer.json]).toEqual([413, { code: 8, message: expect.any(String) as string }]);
    const beyond = JSON.stringify({ padding: 'x'.repeat(5 * 1024 * 1024) });
    expect((await post('/v1/metrics', beyond)).status).toBe(200);
    expect((await ask(controller.operator, 'POST', '/v1/manifests', { body: beyond })).status).toBe(413);
  });

  it('refuse who may not send, in the same form', async () => {
    const denied = await post('/v1/metrics', requestOf(), {}, controller.viewer);
    expect([denied.status, denied.json]).toEqual([403, { code: 7, message: expect.any(String) as string }]);
    const unknown = await post('/v1/logs', {}, {}, { url: controller.service.url });
    expect([unknown.status, unknown.json]).toEqual([401, { code: 16, message: expect.any(String) as string }]);
    expect((await post('/v1/metrics', requestOf(), {}, controller.admin)).status).toBe(200);
  });

  it('tell exporters to come again when too much waits for the database', async () => {
    const blocker = await database.pool.connect();
    await blocker.query('begin');
    await blocker.query('lock table evidence.sources in exclusive mode');
    const bodies = Array.from({ length: 340 }, (_, n) =>
      requestOf(point({ timeUnixNano: String(Date.now() * 1e6 + n * 1_000) })),
    );
    const answers = Promise.all(bodies.map((body) => post('/v1/metrics', body)));
    await until('some are told to come again', async () => {
      const { status, headers: answered, json } = await post('/v1/metrics', requestOf(point()));
      if (status !== 503) return false;
      expect(answered.get('retry-after')).toBe('2');
      expect(json).toMatchObject({ code: 14 });
      return true;
    });
    await blocker.query('rollback');
    blocker.release();
    const taken = (await answers).filter(({ status }) => status === 200).length;
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(340);
  });
});
