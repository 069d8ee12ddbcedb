import { createServer } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ProblemError, ReplyError, UnreachableError } from './client-errors.js';
import { HeadgateClient } from './client.js';
import { problem, rollout, ROLLOUT_ID } from './testing/fixtures.js';
import { startServer } from './testing/http-server.js';
import type { TestServer } from './testing/http-server.js';

describe('talking to the controller', () => {
  let server: TestServer;
  let client: HeadgateClient;
  beforeEach(async () => {
    server = await startServer();
    client = new HeadgateClient({ url: server.url, token: 'hg_operator_x', pauseMs: 1 });
  });
  afterEach(() => server.close());

  it('a write that meets a restarting controller is repeated with the same key, so it happens once', async () => {
    let calls = 0;
    server.on('POST /v1/rollouts', () => {
      calls += 1;
      if (calls === 1) return { write: (response) => response.destroy() };
      return calls === 2 ? { status: 503, json: problem({ status: 503 }) } : { status: 201, json: rollout() };
    });
    const started = await client.start({ config: 'router.context', plan: 'cautious', reason: 'because' });
    expect(started.id).toBe(ROLLOUT_ID);
    const keys = new Set(server.seen.map(({ headers }) => headers['idempotency-key']));
    expect(server.seen).toHaveLength(3);
    expect(keys.size).toBe(1);
    expect([...keys][0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('two commands carry two keys', async () => {
    server.on(`POST /v1/rollouts/${ROLLOUT_ID}/pause`, () => ({ json: rollout() }));
    await client.command(ROLLOUT_ID, 'pause', { reason: 'one' });
    await client.command(ROLLOUT_ID, 'pause', { reason: 'two' }, { ifVersion: 7 });
    expect(new Set(server.seen.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
    expect(server.seen.map(({ headers }) => headers['if-match'])).toEqual([undefined, '"7"']);
  });

  it('the token is sent, and a refusal is told with its problem and not repeated', async () => {
    server.on('POST /v1/rollouts', () => ({ status: 409, json: problem() }));
    const refused = client.start({ config: 'router.context', plan: 'cautious', reason: 'because' });
    await expect(refused).rejects.toBeInstanceOf(ProblemError);
    await expect(refused).rejects.toMatchObject({ problem: { code: 'target-claimed' }, request: 'POST /v1/rollouts' });
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer hg_operator_x']);
  });

  it('an answer that is no problem document, as of a proxy, becomes one', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({
      write: (response) => response.writeHead(418, { 'content-type': 'text/html' }).end('<h1>teapot</h1>'),
    }));
    await expect(client.rollout(ROLLOUT_ID)).rejects.toMatchObject({ problem: { status: 418, code: 'http-418' } });
  });

  it('an answer off the contract is refused with the field', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ json: { ...rollout(), version: 'nine' } }));
    await expect(client.rollout(ROLLOUT_ID)).rejects.toBeInstanceOf(ReplyError);
    await expect(client.rollout(ROLLOUT_ID)).rejects.toThrow('/version');
  });

  it('a controller that is not there is named with the cause and the number of attempts', async () => {
    await server.close();
    const failed = client.rollout(ROLLOUT_ID);
    await expect(failed).rejects.toBeInstanceOf(UnreachableError);
    await expect(failed).rejects.toMatchObject({
      attempts: 9,
      mayHaveArrived: false,
      why: expect.stringContaining('ECONNREFUSED') as string,
    });
  });

  it('a controller that starts again is waited for, and that is told once', async () => {
    const again = createServer((_, response) => response.end(JSON.stringify(rollout())));
    const { port } = new URL(server.url);
    await server.close();
    const told: string[] = [];
    const onRefused = (url: string): void => {
      told.push(url);
      again.listen(Number(port), '127.0.0.1');
    };
    const patient = new HeadgateClient({ url: server.url, pauseMs: 20, onRefused });
    expect((await patient.rollout(ROLLOUT_ID)).id).toBe(ROLLOUT_ID);
    expect(told).toEqual([server.url]);
    again.closeAllConnections();
    again.close();
  });

  it('an answer that never comes counts as none', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ write: () => undefined }));
    const impatient = new HeadgateClient({ url: server.url, attempts: 1, timeoutMs: 20 });
    await expect(impatient.rollout(ROLLOUT_ID)).rejects.toThrow(/timeout/);
  });

  it('a controller that keeps silent is told of, once, while it is waited for', async () => {
    server.on(`GET /v1/rollouts/${ROLLOUT_ID}`, () => ({ write: () => undefined }));
    const told: string[] = [];
    const options = { attempts: 2, timeoutMs: 40, slowMs: 10, pauseMs: 1, onSlow: (url: string) => told.push(url) };
    const waiting = new HeadgateClient({ url: server.url, ...options });
    for (const _ of [1, 2]) await expect(waiting.rollout(ROLLOUT_ID)).rejects.toThrow(/timeout/);
    expect(told).toEqual([server.url]);
  });

  it('names with a slash are one part of the path, and filters that are not given are left out', async () => {
    server.on('GET /v1/rollouts', () => ({ json: { items: [], nextCursor: null } }));
    await client.rollouts({ config: 'a.b' });
    await client.config('signal/x').catch(() => undefined);
    expect(server.seen[0]?.query).toEqual({ config: 'a.b', limit: '200' });
    expect(server.seen[1]?.path).toBe('/v1/configs/signal%2Fx');
  });

  it('all pages of a list are read', async () => {
    server.on('GET /v1/rollouts', ({ query }) =>
      query['cursor'] === undefined
        ? { json: { items: [rollout({ id: 'a' })], nextCursor: 'next' } }
        : { json: { items: [rollout({ id: 'b' })], nextCursor: null } },
    );
    const ids: string[] = [];
    for await (const one of client.allRollouts()) ids.push(one.id);
    expect(ids).toEqual(['a', 'b']);
  });

  it('a token that is revoked and an instance that acknowledges are answered with nothing', async () => {
    server.on('DELETE /v1/tokens/t1', () => ({ status: 204 }));
    server.on('PUT /v1/targets/api-tpu/instances/i1', () => ({ status: 204 }));
    await expect(client.revokeToken('t1')).resolves.toBeUndefined();
    await expect(client.acknowledge('api-tpu', 'i1', { generation: 4 })).resolves.toBeUndefined();
    expect(server.seen[1]?.body).toEqual({ generation: 4 });
  });
});
