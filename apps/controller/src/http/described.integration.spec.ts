import { Ajv2020 } from 'ajv/dist/2020.js';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, clientOf, type Answer } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { config, plan, stage, track, world } from '#test/kit/manifests';
import { TinyFleet } from '#test/kit/tiny-fleet';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

type Content = Readonly<Record<string, { readonly schema: object }>>;
type Described = {
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly content?: Content;
};
type Operation = {
  readonly responses: Readonly<Record<string, Described>>;
  readonly requestBody?: { readonly content: Content };
};
type Document = {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: object;
};

const document = JSON.parse(readFileSync('docs/reference/openapi.json', 'utf8')) as Document;
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema(document, 'api');

/** References lead into the document as a whole. */
const misfits = (schema: object, value: unknown): unknown => {
  const text = JSON.stringify(schema).replaceAll('"#/', '"api#/');
  const check = ajv.compile(JSON.parse(text) as object);
  return check(value) ? [] : check.errors;
};

const BULK = '/v1/targets/{target}/ofrep/v1/evaluate/flags';
const operation = (method: string, path: string): Operation => {
  const found = document.paths[path]?.[method];
  if (!found) throw new Error(`${method} ${path} is not described.`);
  return found;
};

/** Throws unless the answer's status, its type, its body and its entity tag are what the description says. */
const expectDescribed = (answer: Answer, method: string, path: string, status: number): void => {
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status);
  const described = operation(method, path).responses[String(status)];
  expect(described, `${method} ${path} ${status}`).toBeDefined();
  expect(answer.headers.has('etag'), `${method} ${path} ${status}`).toBe(described?.headers?.['ETag'] !== undefined);
  const content = described?.content?.[answer.type.split(';')[0] ?? ''];
  if (described?.content) expect(content, `${answer.type} of ${method} ${path} ${status}`).toBeDefined();
  if (content) expect(misfits(content.schema, answer.json)).toEqual([]);
};

let database: TestDatabase;
let controller: InProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  await clientOf(controller.operator).apply({ manifests: world() });
  const slow = [stage('1%', { bake: '1h', activation: 0 }), stage('100%', { activation: 0 })];
  const manifests = [
    config('router.context', { window: 1 }),
    plan('slow', [track('api', ['api-tpu'], { stages: slow })]),
  ];
  await clientOf(controller.operator).apply({ manifests });
  await clientOf(controller.operator).apply({ manifests: [config('router.context', { window: 2 })] });
  const fleet = new TinyFleet(controller.service, ['api-tpu']);
  await until('the target has traffic', async () => {
    await fleet.round();
    return (fleet.counted.get('api-tpu') ?? 0) > 0;
  });
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

describe('what the description says of answers', () => {
  it('holds for a rollout, whose entity tag is its version', async () => {
    const start = { config: 'router.context', plan: 'slow', reason: 'because' };
    const headers = { 'idempotency-key': 'once' };
    const started = await ask(controller.operator, 'POST', '/v1/rollouts', { body: start, headers });
    expectDescribed(started, 'post', '/v1/rollouts', 201);
    const { id } = started.json as { id: string };
    const read = await ask(controller.viewer, 'GET', `/v1/rollouts/${id}`);
    expectDescribed(read, 'get', '/v1/rollouts/{id}', 200);
    expect(read.headers.get('etag')).toBe(`"${(read.json as { version: number }).version}"`);

    const command = (verb: string, body: object, over: Record<string, string> = {}) =>
      ask(controller.operator, 'POST', `/v1/rollouts/${id}/${verb}`, { body, headers: over });
    const reason = 'because';
    expectDescribed(await command('pause', { reason }), 'post', '/v1/rollouts/{id}/pause', 200);
    expectDescribed(await command('pause', { reason }, { 'if-match': '"1"' }), 'post', '/v1/rollouts/{id}/pause', 412);
    expectDescribed(await command('pause', { reason }, headers), 'post', '/v1/rollouts/{id}/pause', 422);
    expectDescribed(await command('pause', {}), 'post', '/v1/rollouts/{id}/pause', 400);
    expectDescribed(await command('promote', { reason }), 'post', '/v1/rollouts/{id}/promote', 409);
    const abandoned = { reason, target: 'mars' };
    expectDescribed(await command('abandon', abandoned), 'post', '/v1/rollouts/{id}/abandon', 404);
    expectDescribed(await command('abort', { reason }), 'post', '/v1/rollouts/{id}/abort', 200);
  });

  it('holds for callers without a token, without the role, and with a body that is no JSON', async () => {
    const none = { url: controller.viewer.url };
    expectDescribed(await ask(none, 'GET', '/v1/rollouts'), 'get', '/v1/rollouts', 401);
    expectDescribed(await ask(controller.service, 'GET', '/v1/rollouts'), 'get', '/v1/rollouts', 403);
    const text = { body: 'reason=x', headers: { 'content-type': 'text/plain' } };
    expectDescribed(await ask(controller.operator, 'POST', '/v1/rollouts', text), 'post', '/v1/rollouts', 415);
  });

  it('holds for a ruleset, which is not sent again to those who have it', async () => {
    const path = '/v1/targets/{target}/ruleset';
    const fetch = (headers: Record<string, string> = {}) =>
      ask(controller.service, 'GET', '/v1/targets/api-tpu/ruleset', { headers });
    // What the rollout above has left may be on its way here still.
    const [fetched, again] = await until('the ruleset rests', async () => {
      const first = await fetch();
      const second = await fetch({ 'if-none-match': first.headers.get('etag') ?? '' });
      return second.status === 304 ? ([first, second] as const) : undefined;
    });
    expectDescribed(fetched, 'get', path, 200);
    expectDescribed(again, 'get', path, 304);
    expectDescribed(await ask(controller.service, 'GET', '/v1/targets/mars/ruleset'), 'get', path, 404);
  });

  it('holds for OFREP, whose answers are not problem details', async () => {
    const address = '/v1/targets/api-tpu/ofrep/v1/evaluate/flags';
    const body = { context: { targetingKey: 'somebody', plan: 'pro' } };
    expect(misfits(operation('post', BULK).requestBody?.content['application/json']?.schema ?? {}, body)).toEqual([]);
    const all = await ask(controller.service, 'POST', address, { body });
    expectDescribed(all, 'post', BULK, 200);
    const headers = { 'if-none-match': all.headers.get('etag') ?? '' };
    expectDescribed(await ask(controller.service, 'POST', address, { body, headers }), 'post', BULK, 304);
    expectDescribed(await ask(controller.service, 'POST', address, { body: {} }), 'post', BULK, 400);
    expectDescribed(await ask(controller.service, 'POST', address, { body: '{' }), 'post', BULK, 400);
    const one = (key: string, sent: unknown) => ask(controller.service, 'POST', `${address}/${key}`, { body: sent });
    expectDescribed(await one('router.context', body), 'post', `${BULK}/{key}`, 200);
    expectDescribed(await one('nothing', body), 'post', `${BULK}/{key}`, 404);
    expectDescribed(await one('router.context', { context: {} }), 'post', `${BULK}/{key}`, 400);
  });

  it('holds for OTLP, whose refusals are statuses of gRPC', async () => {
    const sent = (path: string, body: unknown, over: Record<string, string> = {}, door = controller.service) =>
      ask(door, 'POST', path, { body, headers: over });
    const nothing = { resourceMetrics: [] };
    const schema = operation('post', '/v1/metrics').requestBody?.content['application/json']?.schema ?? {};
    expect(misfits(schema, nothing)).toEqual([]);
    for (const path of ['/v1/metrics', '/v1/logs']) {
      expectDescribed(await sent(path, nothing), 'post', path, 200);
      const protobuf = { 'content-type': 'application/x-protobuf' };
      expect((await sent(path, new Uint8Array(), protobuf)).type).toBe('application/x-protobuf');
      expectDescribed(await sent(path, '{'), 'post', path, 400);
      expectDescribed(await sent(path, 'a=b', { 'content-type': 'text/plain' }), 'post', path, 415);
      expectDescribed(await sent(path, nothing, {}, controller.viewer), 'post', path, 403);
      expectDescribed(await sent(path, nothing, {}, { url: controller.viewer.url }), 'post', path, 401);
    }
  });
});
