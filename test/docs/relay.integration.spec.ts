import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HTTP } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HookEventData } from '#libs/contracts';
import { harmfulRollout } from '../kit/harmful-rollout.js';
import { clientOf } from '../kit/http.js';
import { startInProcess } from '../kit/in-process.js';
import { until } from '../kit/until.js';
import { createTestDatabase } from '../test-database.js';
import { fencesOf } from './markdown.js';

type Call = {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
};
type Shape = (call: Call) => readonly [status: number, body: unknown];

let calls: Call[];
let broken: RegExp | undefined;
let servers: Server[];
let relay: ChildProcess | undefined;

/** The services as far as the relay meets them; what their documents do not allow is refused. */
const SHAPES: readonly (readonly [RegExp, Shape])[] = [
  [/^POST \/slack$/, ({ body }) => (typeof body['text'] === 'string' ? [200, 'ok'] : [400, 'no_text'])],
  [
    /^POST \/v2\/enqueue$/,
    ({ body: { routing_key: key, event_action: action, dedup_key: dedup, payload } }) => {
      const { summary, source, severity } = (payload ?? {}) as Readonly<Record<string, unknown>>;
      const isComplete = action === 'resolve' || (action === 'trigger' && summary && source && severity);
      return key === 'routing' && isComplete && dedup
        ? [202, { status: 'success' }]
        : [400, { status: 'invalid event' }];
    },
  ],
  [
    /^GET \/repos\/acme\/configs\/deployments\?task=/,
    ({ path }) => {
      const task = new URL(path, 'http://x').searchParams.get('task');
      const made = calls.filter(({ method, path: at }) => method === 'POST' && at.endsWith('/deployments'));
      return [200, made.flatMap(({ body }, index) => (body['task'] === task ? [{ id: index + 1 }] : []))];
    },
  ],
  [/^POST \/repos\/acme\/configs\/deployments$/, ({ body }) => [body['ref'] ? 201 : 422, { id: deployments() + 1 }]],
  [
    /^POST \/repos\/acme\/configs\/deployments\/\d+\/statuses$/,
    ({ body }) => [/^(in_progress|pending|success|failure|inactive)$/.test(String(body['state'])) ? 201 : 422, {}],
  ],
];

const deployments = (): number =>
  calls.filter(({ method, path }) => method === 'POST' && path.endsWith('/deployments')).length;

const listen = async (server: Server): Promise<string> => {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

const startServices = (): Promise<string> =>
  listen(
    createServer((request, response) => {
      const serve = async (): Promise<void> => {
        let text = '';
        for await (const chunk of request) text += String(chunk);
        const { method = '', url: path = '', headers } = request;
        const body = (text === '' ? {} : JSON.parse(text)) as Call['body'];
        const call = { method, path, authorization: headers.authorization, body };
        const shape = SHAPES.find(([route]) => route.test(`${method} ${path}`))?.[1];
        const isDown = broken?.test(path) === true;
        const [status, answer] = isDown ? [500, 'down'] : (shape?.(call) ?? [404, 'no such route']);
        if (status < 300) calls.push(call);
        response.writeHead(status).end(JSON.stringify(answer));
      };
      void serve();
    }),
  );

const startRelay = async (env: Readonly<Record<string, string>>): Promise<string> => {
  const child = spawn(process.execPath, ['docs/examples/relay.mjs'], {
    env: { PATH: process.env['PATH'], PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  relay = child;
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  return until('the relay listens', () => /listening on (\S+)/.exec(out)?.[1]);
};

const settings = (services: string) => ({
  SLACK_WEBHOOK_URL: `${services}/slack`,
  PAGERDUTY_ROUTING_KEY: 'routing',
  PAGERDUTY_URL: services,
  GITHUB_TOKEN: 'gh-token',
  GITHUB_REPOSITORY: 'acme/configs',
  GITHUB_API_URL: services,
});

beforeEach(() => {
  calls = [];
  servers = [];
  broken = undefined;
});

afterEach(() => {
  relay?.kill('SIGKILL');
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const PAGE = 'docs/how-to/send-events.md';
const shown = (): string => fencesOf(PAGE).find(({ note }) => note === 'CloudEvent')?.text ?? '';

const post = async (url: string, body: string, secret = SECRET): Promise<number> => {
  const now = new Date();
  const signature = new Webhook(secret).sign('event-1', now, body);
  const headers = {
    'webhook-id': 'event-1',
    'webhook-timestamp': String(Math.floor(now.getTime() / 1_000)),
    'webhook-signature': signature,
  };
  return (await fetch(url, { method: 'POST', body, headers })).status;
};

describe('the relay of the documents', () => {
  it('tells Slack, PagerDuty and GitHub of a rollout that is taken back', async () => {
    const database = await createTestDatabase();
    const controller = await startInProcess(database.url, { env: { HEADGATE_HOOK_LOOPBACK: 'allow' } });
    try {
      // The relay has to know the secret, which comes with the hook, which names the relay: its port is chosen first.
      const probe = createServer();
      const url = await listen(probe);
      const { secret } = await clientOf(controller.admin).addHook({ url });
      await new Promise((resolve) => probe.close(resolve));
      const services = await startServices();
      await startRelay({ HOOK_SECRET: secret, ...settings(services), PORT: new URL(url).port });
      const rollout = await harmfulRollout(controller);
      const pages = () => calls.filter(({ path }) => path === '/v2/enqueue').map(({ body }) => body);
      const states = () => calls.filter(({ path }) => path.endsWith('/statuses')).map(({ body }) => body['state']);
      await until('the end is told', () => states().includes('failure'));

      expect(pages().map(({ event_action: action }) => action)).toEqual(['trigger', 'resolve']);
      expect(new Set(pages().map(({ dedup_key: key }) => key))).toEqual(new Set([rollout]));
      expect(pages()[0]).toMatchObject({ payload: { severity: 'error', component: 'router.context' } });
      expect(deployments()).toBe(1);
      expect([...new Set(states())]).toEqual(['in_progress', 'failure']);
      const lines = calls.filter(({ path }) => path === '/slack').map(({ body }) => String(body['text']));
      expect(lines.at(-1)).toMatch(/^\*router\.context r2\*: rolled back on api-tpu/);
      expect(lines.length).toBeGreaterThan(4);
    } finally {
      await controller.stop();
      await database.drop();
    }
  });

  it('refuses what is not signed with its secret, and answers with success only when every service has taken it, each once', async () => {
    const url = await startRelay({ HOOK_SECRET: SECRET, ...settings(await startServices()) });
    expect(await post(url, shown(), `whsec_${Buffer.alloc(32, 8).toString('base64')}`)).toBe(401);
    expect(calls).toEqual([]);
    broken = /enqueue/;
    expect(await post(url, shown())).toBe(502);
    broken = undefined;
    expect(await post(url, shown())).toBe(204);
    expect(await post(url, shown())).toBe(204);
    expect(calls.map(({ path }) => path)).toEqual(['/slack', '/v2/enqueue']);
  });
});

describe('the page on sending events', () => {
  it('shows an event as it is sent', () => {
    const headers = { 'content-type': 'application/cloudevents+json' };
    const event = HTTP.toEvent({ headers, body: shown() });
    expect(event).toMatchObject({ type: 'dev.headgate.DegradationDetected.v1', subject: 'router.context' });
    const { data } = JSON.parse(shown()) as { data: unknown };
    expect(HookEventData.parse(data)).toEqual(data);
  });
});
