import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashToken, IssueTokenCommand, IssueTokenHandler, newSecret } from '#libs/application';
import { ask, clientOf, issueToken, problemIn, type Door } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { headOf } from '#test/kit/log';
import { createTestDatabase, type TestDatabase } from '#test/test-database';

const ROLES = ['admin', 'operator', 'viewer', 'service'] as const;
type Role = (typeof ROLES)[number];

/** Who may call what. A route that is not here fails the spec: whoever adds one decides. */
const MAY: Readonly<Record<string, readonly Role[]>> = {
  'POST /v1/manifests': ['admin', 'operator'],
  'GET /v1/configs': ['admin', 'operator', 'viewer'],
  'GET /v1/configs/{key}': ['admin', 'operator', 'viewer'],
  'GET /v1/targets': ['admin', 'operator', 'viewer'],
  'GET /v1/targets/{target}': ['admin', 'operator', 'viewer'],
  'POST /v1/plan-previews': ['admin', 'operator', 'viewer'],
  'POST /v1/rollouts': ['admin', 'operator'],
  'GET /v1/rollouts': ['admin', 'operator', 'viewer'],
  'GET /v1/rollouts/{id}': ['admin', 'operator', 'viewer'],
  'GET /v1/rollouts/{id}/evidence': ['admin', 'operator', 'viewer'],
  'GET /v1/rollouts/{id}/looks': ['admin', 'operator', 'viewer'],
  'GET /v1/rollouts/{id}/pack': ['admin', 'operator', 'viewer'],
  'GET /v1/sources': ['admin', 'operator', 'viewer'],
  'POST /v1/rollouts/{id}/pause': ['admin', 'operator'],
  'POST /v1/rollouts/{id}/resume': ['admin', 'operator'],
  'POST /v1/rollouts/{id}/promote': ['admin', 'operator'],
  'POST /v1/rollouts/{id}/abort': ['admin', 'operator'],
  'POST /v1/rollouts/{id}/abandon': ['admin', 'operator'],
  'POST /v1/configs/{key}/undo': ['admin', 'operator'],
  'GET /v1/board': ['admin', 'operator', 'viewer'],
  'GET /v1/whoami': ['admin', 'operator', 'viewer', 'service'],
  'GET /v1/events': ['admin', 'operator', 'viewer'],
  'GET /v1/events/stream': ['admin', 'operator', 'viewer'],
  'GET /v1/at': ['admin', 'operator', 'viewer'],
  'GET /v1/changes/open': ['admin', 'operator', 'viewer'],
  'GET /v1/rollouts/{id}/exposed': ['admin', 'operator', 'viewer'],
  'GET /v1/exposed': ['admin', 'operator', 'viewer'],
  'GET /v1/log/head': ['admin', 'operator', 'viewer'],
  'GET /v1/log/keys': ['admin', 'operator', 'viewer'],
  'GET /v1/log/inclusion': ['admin', 'operator', 'viewer'],
  'GET /v1/log/consistency': ['admin', 'operator', 'viewer'],
  'GET /v1/log/export': ['admin', 'operator', 'viewer'],
  'POST /v1/outcomes': ['admin', 'service'],
  'POST /v1/metrics': ['admin', 'service'],
  'POST /v1/logs': ['admin', 'service'],
  'POST /v1/comparisons': ['admin', 'service'],
  'GET /v1/targets/{target}/ruleset': ['admin', 'service'],
  'PUT /v1/targets/{target}/instances/{instance}': ['admin', 'service'],
  'DELETE /v1/targets/{target}/instances/{instance}': ['admin', 'service'],
  'POST /v1/targets/{target}/ofrep/v1/evaluate/flags': ['admin', 'service'],
  'POST /v1/targets/{target}/ofrep/v1/evaluate/flags/{key}': ['admin', 'service'],
  'POST /v1/tokens': ['admin'],
  'GET /v1/tokens': ['admin'],
  'DELETE /v1/tokens/{id}': ['admin'],
  'POST /v1/hooks': ['admin'],
  'GET /v1/hooks': ['admin'],
  'POST /v1/hooks/{id}/resume': ['admin'],
  'DELETE /v1/hooks/{id}': ['admin'],
};

type Operation = { readonly security?: readonly unknown[] };
type Document = {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
};

let database: TestDatabase;
let controller: InProcess;
let routes: readonly { readonly route: string; readonly operation: Operation }[];

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  const { json } = await ask({ url: controller.admin.url }, 'GET', '/openapi.json');
  routes = Object.entries((json as Document).paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ route: `${method.toUpperCase()} ${path}`, operation })),
  );
});

afterAll(async () => {
  await controller.stop();
  await database.drop();
});

/** Calls a route with names of nothing and without a body; only the status counts, streams are not read. */
const statusOf = async (route: string, { url, token }: Door): Promise<number> => {
  const [method = '', path = ''] = route.split(' ');
  const leave = new AbortController();
  const response = await fetch(url + path.replaceAll(/\{\w+\}/g, 'nothing'), {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(method === 'GET' || method === 'DELETE' ? {} : { 'content-type': 'application/json' }),
    },
    ...(method === 'GET' || method === 'DELETE' ? {} : { body: '{}' }),
    signal: leave.signal,
  });
  leave.abort();
  return response.status;
};

describe('Routes', () => {
  it('are all in the table of who may call what, and the table has no other', () => {
    expect(routes.map(({ route }) => route).toSorted()).toEqual(Object.keys(MAY).toSorted());
  });

  it('all say in the OpenAPI document that they need a token', () => {
    expect(routes.filter(({ operation }) => (operation.security ?? []).length === 0).map(({ route }) => route)).toEqual(
      [],
    );
  });

  it.each(Object.entries(MAY))('%s may be called by %s and nobody else', async (route, allowed) => {
    const seen = await Promise.all(ROLES.map(async (role) => [role, await statusOf(route, controller[role])] as const));
    for (const [role, status] of seen) {
      if (allowed.includes(role)) expect([401, 403], `${role} gets ${status}`).not.toContain(status);
      else expect(status, role).toBe(403);
    }
    expect(await statusOf(route, { url: controller.admin.url })).toBe(401);
    expect(await statusOf(route, { url: controller.admin.url, token: 'hg_admin_guessed' })).toBe(401);
  });

  it.each(['/healthz', '/readyz', '/openapi.json'])('%s needs no token', async (path) => {
    expect((await ask({ url: controller.admin.url }, 'GET', path)).status).toBe(200);
  });
});

describe('Before its body is read, a request', () => {
  /** The first that is answered to the head of a request whose body never comes. */
  const answerToHead = (path: string, { method = 'POST', token = '', length = '4000000' } = {}): Promise<string> => {
    const { hostname, port } = new URL(controller.admin.url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        const authorization = token === '' ? '' : `authorization: Bearer ${token}\r\n`;
        const head = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n`;
        socket.write(`${method} ${path} HTTP/1.1\r\n${authorization}${head}\r\n`);
      });
      socket.on('data', (data) => {
        resolve(String(data));
        socket.destroy();
      });
      socket.on('error', reject);
    });
  };

  it.each(['/v1/manifests', '/v1/outcomes', '/v1/tokens', '/v1/nowhere'])(
    'without a token that counts is refused at %s',
    async (path) => {
      for (const token of ['', 'hg_admin_guessed']) {
        const answer = await answerToHead(path, { token });
        expect(answer).toMatch(/^HTTP\/1.1 401 /);
        expect(answer).toMatch(/www-authenticate: Bearer/i);
        expect(answer).toContain('"code":"unauthenticated"');
      }
    },
  );

  it('without a token is not told what is wrong with its body, nor cut off while it sends it', async () => {
    const unread = await ask({ url: controller.admin.url }, 'POST', '/v1/manifests', { body: '{"manifests": [' });
    expect(problemIn(unread)).toMatchObject({ status: 401, code: 'unauthenticated' });
    const large = JSON.stringify({ a: 'x'.repeat(2_000_000) });
    const refused = await ask({ url: controller.admin.url }, 'POST', '/v1/manifests', { body: large });
    expect(problemIn(refused)).toMatchObject({ status: 401, code: 'unauthenticated' });
  });

  it('is let go of when more would come than anybody may send', async () => {
    expect(await answerToHead('/v1/manifests', { length: '5000000' })).toMatch(/connection: close/i);
    expect(await answerToHead('/v1/manifests')).not.toMatch(/connection: close/i);
  });

  it('to an address that is not there is refused', async () => {
    const answer = await answerToHead('/v1/nowhere', { token: controller.viewer.token ?? '' });
    expect(answer).toMatch(/^HTTP\/1.1 404 /);
    expect(answer).toContain('Cannot POST /v1/nowhere');
  });
});

describe('Tokens', () => {
  const rollouts = (token: string | undefined, headers: Record<string, string> = {}) =>
    ask({ url: controller.admin.url, token }, 'GET', '/v1/rollouts', { headers });

  it('that are absent, unknown or not a bearer are refused with the remedy', async () => {
    const absent = await rollouts(undefined);
    expect(absent.headers.get('www-authenticate')).toBe('Bearer');
    expect(problemIn(absent)).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(problemIn(absent).detail).toContain('Authorization: Bearer');
    const unknown = problemIn(await rollouts(newSecret('viewer')));
    expect(unknown).toMatchObject({ status: 401, code: 'unauthenticated' });
    expect(unknown.detail).toContain('unknown, revoked or expired');
    const basic = await rollouts(undefined, { authorization: `Basic ${Buffer.from('a:b').toString('base64')}` });
    expect(problemIn(basic).code).toBe('unauthenticated');
    const twice = await rollouts(undefined, { authorization: `Bearer ${controller.viewer.token} x` });
    expect(problemIn(twice).code).toBe('unauthenticated');
    const hashed = await rollouts(hashToken(controller.viewer.token ?? ''));
    expect(problemIn(hashed).code).toBe('unauthenticated');
  });

  it('that are revoked open nothing any more, from the moment the revocation is answered', async () => {
    const secret = await issueToken(controller.admin, 'viewer', 'gone-soon');
    expect((await rollouts(secret)).status).toBe(200);
    const token = (await clientOf(controller.admin).tokens()).find(({ subject }) => subject === 'gone-soon');
    await clientOf(controller.admin).revokeToken(token?.id ?? '');
    expect(problemIn(await rollouts(secret)).code).toBe('unauthenticated');
    const head = await headOf(database.pool);
    await clientOf(controller.admin).revokeToken(token?.id ?? '');
    expect(await headOf(database.pool)).toBe(head);
  });

  it('that have run out open nothing', async () => {
    const { runner, view } = controller.controller.core;
    const secret = newSecret('viewer');
    const outcome = await new IssueTokenHandler(runner).execute(
      new IssueTokenCommand(
        { subject: 'late', role: 'viewer', secret, expiresAt: new Date(Date.now() - 1).toISOString() },
        {
          actor: { kind: 'token', name: 'spec' },
          commandId: 'an-old-token',
          fingerprint: 'an-old-token',
          correlationId: 'an-old-token',
        },
      ),
    );
    await view.caughtUpWith(outcome.accepted ? outcome.lastPosition : 0);
    expect(problemIn(await rollouts(secret)).code).toBe('unauthenticated');
  });

  it('are shown once: no list, no event and no repetition gives a secret or its hash', async () => {
    const body = { subject: 'shown-once', role: 'service' };
    const headers = { 'idempotency-key': 'a-token' };
    const created = await ask(controller.admin, 'POST', '/v1/tokens', { body, headers });
    const { secret } = created.json as { secret: string };
    expect(secret).toMatch(/^hg_service_[\w-]{40,}$/);
    const again = await ask(controller.admin, 'POST', '/v1/tokens', { body, headers });
    expect(problemIn(again)).toMatchObject({ status: 409, code: 'token-already-issued' });
    const list = await ask(controller.admin, 'GET', '/v1/tokens');
    const events = await ask(controller.viewer, 'GET', '/v1/events?type=TokenIssued&limit=1000');
    for (const { text } of [again, list, events]) {
      expect(text).not.toContain(secret);
      expect(text).not.toContain(hashToken(secret));
    }
    const { rows } = await database.pool.query<{ found: string }>(
      'select count(*) as found from event_store.events where body like $1',
      [`%${secret}%`],
    );
    expect(Number(rows[0]?.found)).toBe(0);
  });
});
