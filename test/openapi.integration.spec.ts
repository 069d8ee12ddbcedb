import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCore, type Core } from '../apps/controller/src/composition/core.js';
import { makeLog } from '../apps/controller/src/composition/log.js';
import { loadConfig } from '../apps/controller/src/config.js';
import { startHttp, type HttpServer } from '../apps/controller/src/http/server.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

type Operation = {
  readonly summary?: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, unknown>>;
  readonly security?: readonly unknown[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> };
};
type Document = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
};

const GOLDEN = 'docs/reference/openapi.json';

/** What users and fleets build on: a route may be added, never taken away. */
const ROUTES = [
  'post /v1/manifests',
  'get /v1/configs',
  'get /v1/configs/{key}',
  'get /v1/targets',
  'get /v1/targets/{target}',
  'post /v1/plan-previews',
  'post /v1/rollouts',
  'get /v1/rollouts',
  'get /v1/rollouts/{id}',
  'post /v1/rollouts/{id}/pause',
  'post /v1/rollouts/{id}/resume',
  'post /v1/rollouts/{id}/promote',
  'post /v1/rollouts/{id}/abort',
  'get /v1/sources',
  'get /v1/events',
  'get /v1/events/stream',
  'get /v1/at',
  'get /v1/changes/open',
  'get /v1/rollouts/{id}/exposed',
  'get /v1/exposed',
  'get /v1/log/head',
  'get /v1/log/keys',
  'get /v1/log/inclusion',
  'get /v1/log/consistency',
  'get /v1/log/export',
  'post /v1/outcomes',
  'post /v1/metrics',
  'post /v1/logs',
  'get /v1/targets/{target}/ruleset',
  'put /v1/targets/{target}/instances/{instance}',
  'delete /v1/targets/{target}/instances/{instance}',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags/{key}',
  'post /v1/tokens',
  'get /v1/tokens',
  'delete /v1/tokens/{id}',
];

let database: TestDatabase;
let core: Core;
let http: HttpServer;
let served: Document;

beforeAll(async () => {
  database = await createTestDatabase();
  const config = loadConfig({ HEADGATE_PORT: '0', HEADGATE_SYNC_PORT: '0', HEADGATE_ROLE: 'api' });
  core = await startCore(config, database.url, makeLog('quiet'));
  http = await startHttp(core, '127.0.0.1', 0);
  const answer = await fetch(`${http.url}/openapi.json`);
  served = (await answer.json()) as Document;
});

afterAll(async () => {
  await http.close();
  await core.stop();
  await database.drop();
});

const operations = (): [string, Operation][] =>
  Object.entries(served.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method} ${path}`, operation]),
  );

const refsIn = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item] : refsIn(item),
  );
};

describe('the description of the HTTP API', () => {
  it('is the one in the repository, so that a change of the API is seen in review', () => {
    const golden = JSON.parse(readFileSync(GOLDEN, 'utf8')) as unknown;
    expect(served, `The API has changed. If that is meant, run "npm run openapi" and commit ${GOLDEN}.`).toEqual(
      golden,
    );
  });

  it('is OpenAPI 3.1 and has every route that users and fleets build on', () => {
    expect(served.openapi).toBe('3.1.0');
    expect(operations().map(([route]) => route)).toEqual(expect.arrayContaining(ROUTES));
  });

  it('asks for a token on every route and describes every answer and every body', () => {
    for (const [route, { responses, security, requestBody }] of operations()) {
      expect(Object.keys(responses), route).toContainEqual(expect.stringMatching(/^2\d\d$/));
      expect(security, route).not.toEqual([]);
      for (const { schema } of Object.values(requestBody?.content ?? {})) expect(schema, route).toBeDefined();
    }
  });

  it('says in a line what each operation does', () => {
    expect(operations().filter(([, { summary }]) => summary === undefined)).toEqual([]);
  });

  it('names the headers that make a command safe to repeat, and the answer to a body that is too large', () => {
    const headersOf = (route: string): readonly string[] => {
      const [, operation] = operations().find(([known]) => known === route) ?? [];
      return (operation?.parameters ?? []).flatMap(({ name, in: place }) => (place === 'header' ? [name] : []));
    };
    expect(headersOf('post /v1/rollouts')).toContain('Idempotency-Key');
    expect(headersOf('delete /v1/tokens/{id}')).toContain('Idempotency-Key');
    expect(headersOf('post /v1/rollouts/{id}/abort')).toEqual(expect.arrayContaining(['Idempotency-Key', 'If-Match']));
    for (const [route, { requestBody, responses }] of operations())
      expect('413' in responses, route).toBe(requestBody !== undefined);
  });

  it('names the refusals that can occur, and what is sent to OFREP', () => {
    for (const [route, { requestBody, responses }] of operations()) {
      expect(Object.keys(responses), route).toEqual(expect.arrayContaining(['401', '403']));
      expect('415' in responses, route).toBe(requestBody !== undefined);
      const isCommandOnRollout = route.startsWith('post /v1/rollouts/{id}');
      if (isCommandOnRollout)
        expect(Object.keys(responses), route).toEqual(expect.arrayContaining(['404', '409', '422']));
      expect('412' in responses, route).toBe(/rollouts\/\{id\}\/(pause|resume|promote|abort)$/.test(route));
      if (route.includes('/ofrep/')) expect(requestBody, route).toBeDefined();
    }
  });

  it('has no reference that leads nowhere', () => {
    const known = Object.keys(served.components.schemas).map((name) => `#/components/schemas/${name}`);
    expect(known).toEqual(expect.arrayContaining([...new Set(refsIn(served))]));
  });
});
