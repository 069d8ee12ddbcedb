import { OFREPWebProvider } from '@openfeature/ofrep-web-provider';
import { ClientProviderEvents, OpenFeature, ProviderStatus, type Client } from '@openfeature/web-sdk';
import { EventSource } from 'eventsource';
import { createParser } from 'eventsource-parser';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isOnCandidate } from '#libs/domain';
import { ask, clientOf, issueToken, type Door } from '#test/kit/http';
import { until } from '#test/kit/until';
import { startHttp, type HttpServer } from '../../apps/controller/src/http/server.js';
import { startRunning, TARGET, type Rolling, type Running } from './rolling.js';
import { wireTo, type Wire } from './wire.js';

type Global = { EventSource?: unknown };
const before = (globalThis as Global).EventSource;

let running: Running;
let rolling: Rolling;
let wire: Wire;
const servers: HttpServer[] = [];
let count = 0;

beforeAll(async () => {
  (globalThis as Global).EventSource = EventSource;
  running = await startRunning();
  wire = await wireTo(running.controller.service.url);
});

afterEach(async () => {
  await OpenFeature.clearProviders();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

afterAll(async () => {
  await wire.close();
  await running.stop();
  (globalThis as Global).EventSource = before;
});

const base = (door: Door) => `${door.url}/v1/targets/${TARGET}`;
const bulkPath = `/v1/targets/${TARGET}/ofrep/v1/evaluate/flags`;

/** Another door of the same controller, with other limits. */
const openDoor = async (settings: Parameters<typeof startHttp>[3]): Promise<Door> => {
  const server = await startHttp(running.controller.controller.core, '127.0.0.1', 0, settings);
  servers.push(server);
  return { url: server.url, token: running.controller.service.token };
};

type Web = { readonly client: Client; readonly changes: string[][]; readonly variant: () => string | undefined };

/** The official web client as it is, for a unit that is on control until everybody is on the candidate. */
const webClient = async (door: Door, fetchImplementation: typeof fetch = fetch): Promise<Web> => {
  const domain = `web-${(count += 1)}`;
  await OpenFeature.setContext(domain, { targetingKey: 'unit-on-control' });
  const headers: [string, string][] = [['Authorization', `Bearer ${door.token}`]];
  const provider = new OFREPWebProvider({
    baseUrl: base(door),
    headers,
    cacheMode: 'disabled',
    fetchImplementation,
  });
  await OpenFeature.setProviderAndWait(domain, provider);
  const client = OpenFeature.getClient(domain);
  const changes: string[][] = [];
  client.addHandler(ClientProviderEvents.ConfigurationChanged, (details) => changes.push(details?.flagsChanged ?? []));
  return { client, changes, variant: () => client.getObjectDetails(rolling.config, {}).variant };
};

/** A config whose split leaves the unit on control. */
const rollFor = async (unit: string): Promise<void> => {
  for (;;) {
    rolling = await running.roll(`web-config-${(count += 1)}`);
    if (!isOnCandidate(rolling.id, unit, 1_000)) return;
  }
};

const bulk = (door: Door, more: Parameters<typeof ask>[3] = {}, query = '') =>
  ask(door, 'POST', `${bulkPath}${query}`, { body: { context: { targetingKey: 'u' } }, ...more });
type Bulk = {
  readonly eventStreams: readonly { readonly type: string; readonly endpoint: { readonly requestUri: string } }[];
  readonly metadata: { readonly version: string };
};
const streamOf = (json: unknown) => (json as Bulk).eventStreams[0]?.endpoint.requestUri ?? '';
const generationOf = (json: unknown) => Number((json as Bulk).metadata.version);

describe('The official web client', () => {
  it('sees what a promote changes at once, without polling, and is told which configs changed', async () => {
    await rollFor('unit-on-control');
    const web = await webClient({ ...running.controller.service, url: wire.url });
    expect(web.variant()).toBe('r1');
    await rolling.promote();
    await until('the client has the candidate', () => web.variant() === 'r2');
    expect(web.changes.flat()).toContain(rolling.config);
  });

  it('reconnects by itself when its connection is cut, and catches up with what changed meanwhile', async () => {
    await rollFor('unit-on-control');
    const other = await running.roll(`web-other-${(count += 1)}`);
    const web = await webClient({ ...running.controller.service, url: wire.url });
    await other.promote();
    await until('the client was told of a change', () => web.changes.flat().includes(other.config));
    wire.cut();
    await rolling.promote();
    expect(web.variant()).toBe('r1');
    const already = wire.heads.length;
    wire.mend();
    await until('the client has the candidate', () => web.variant() === 'r2');
    const resumed = wire.heads.slice(already).filter((head) => head.startsWith('GET '));
    expect(resumed).toEqual([expect.stringMatching(/\r\nlast-event-id: \d+\r\n/i)]);
    expect(web.client.providerStatus).not.toBe(ProviderStatus.FATAL);
  });

  it('gets a new address when that of its stream runs out, though nothing has changed, and goes on', async () => {
    await rollFor('unit-on-control');
    const door = await openDoor({ streamLifeMs: 2_000, streamBeatMs: 50 });
    const own = await wireTo(door.url);
    const web = await webClient({ ...door, url: own.url });
    const opened = (): readonly string[] => own.heads.filter((head) => head.startsWith('GET '));
    const addresses = (): number => new Set(opened().map((head) => head.split(' ')[1])).size;
    await until('it has opened a second address', () => addresses() > 1);
    await rolling.promote();
    await until('the client has the candidate', () => web.variant() === 'r2');
    await own.close();
  });

  it('is fatally refused with a wrong token, and a revoked one ends its stream', async () => {
    await rollFor('unit-on-control');
    await expect(webClient({ ...running.controller.service, token: 'hg_service_wrong' })).rejects.toThrow();
    const door = await openDoor({ streamBeatMs: 50 });
    const subject = `web-fleet-${(count += 1)}`;
    const token = await issueToken(running.controller.admin, 'service', subject);
    const { json } = await bulk({ ...door, token });
    const leave = new AbortController();
    const stream = await fetch(`${door.url}${streamOf(json)}`, { signal: leave.signal });
    const admin = clientOf(running.controller.admin);
    const id = (await admin.tokens()).find((each) => each.subject === subject)?.id ?? '';
    await admin.revokeToken(id);
    await stream.text();
    expect((await fetch(`${door.url}${streamOf(json)}`)).status).toBe(401);
  });

  it('honours that it must come again later: it asks nothing meanwhile, and is served afterwards', async () => {
    await rollFor('unit-on-control');
    const door = await openDoor({ ofrepRate: 1 });
    const statuses: number[] = [];
    const counting: typeof fetch = async (...call) => {
      const response = await fetch(...call);
      statuses.push(response.status);
      return response;
    };
    await webClient(door, counting);
    let unit = 0;
    /** Whether the client asks for a new unit; until it may come again it does not. */
    const asks = async (): Promise<boolean> => {
      const before = statuses.length;
      await OpenFeature.setContext(`web-${count}`, { targetingKey: `unit-${(unit += 1)}` });
      return statuses.length > before;
    };
    await until('it asks nothing', async () => !(await asks()));
    expect(statuses.at(-1)).toBe(429);
    await until('it asks again, and is answered', async () => (await asks()) && statuses.at(-1) === 200);
  });
});

/** What a stream says until it has said so many events. */
const eventsOf = async (url: string, headers: Record<string, string>, enough: number) => {
  const leave = new AbortController();
  const response = await fetch(url, { headers, signal: leave.signal });
  const events: { id: number; event: string | undefined; data: unknown }[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => events.push({ id: Number(id), event, data: JSON.parse(data) as unknown }),
  });
  const decoder = new TextDecoder();
  let beats = 0;
  for await (const bytes of response.body ?? []) {
    const text = decoder.decode(bytes, { stream: true });
    beats += text.includes('still here') ? 1 : 0;
    parser.feed(text);
    if (events.length >= enough || beats >= 5) break;
  }
  leave.abort();
  return { events, beats };
};

describe('An event stream', () => {
  it('says the generation, its entity tag and its time, once for what was missed, and nothing where nothing was', async () => {
    await rollFor('unit-on-control');
    const door = await openDoor({ streamBeatMs: 30 });
    const { json } = await bulk(door);
    const address = `${door.url}${streamOf(json)}`;
    expect((await eventsOf(address, {}, 1)).events).toEqual([]);
    await rolling.promote();
    await rolling.settled();
    const newest = generationOf((await bulk(door)).json);
    const missed = await eventsOf(address, {}, 2);
    const lastModified = expect.any(Number) as number;
    expect(missed.events).toEqual([
      { id: newest, event: 'message', data: { type: 'refetchEvaluation', etag: `"${newest}"`, lastModified } },
    ]);
    expect((await eventsOf(address, { 'last-event-id': String(newest) }, 1)).events).toEqual([]);
    expect((await eventsOf(address, { 'last-event-id': String(newest - 1) }, 1)).events).toHaveLength(1);
    expect((await eventsOf(address, { 'last-event-id': 'nonsense' }, 1)).events).toHaveLength(1);
  });

  it('opens for nothing but the address that was given out, which opens nothing else', async () => {
    const { json } = await bulk(running.controller.service);
    const [path = '', pass = ''] = streamOf(json).split('?pass=');
    const { url } = running.controller.service;
    const statusOf = async (query: string) => (await fetch(`${url}${path}${query}`)).status;
    const [body = '', signature = ''] = pass.split('.');
    const forged = Buffer.from(Buffer.from(body, 'base64url').toString().replace(TARGET, 'vertex-tpu')).toString(
      'base64url',
    );
    const wrong = [
      '',
      '?pass=',
      `?pass=${pass}x`,
      `?pass=${body}`,
      `?pass=${forged}.${signature}`,
      `?pass=${pass}&pass=x`,
    ];
    for (const query of wrong) expect(await statusOf(query), query).toBe(401);
    const asToken = await ask({ url, token: pass }, 'GET', `/v1/targets/${TARGET}/ruleset`);
    expect(asToken.status).toBe(401);
  });

  it('is refused when there are as many as one controller serves', async () => {
    const door = await openDoor({ mostStreams: 1 });
    const address = `${door.url}${streamOf((await bulk(door)).json)}`;
    const leave = new AbortController();
    await fetch(address, { signal: leave.signal });
    const refused = await fetch(address);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
    leave.abort();
    await until('there is room again', async () => {
      const again = new AbortController();
      const { status } = await fetch(address, { signal: again.signal });
      again.abort();
      return status === 200;
    });
  });

  it('is given out anew in a full answer once its period has passed, and 304 is the answer until then', async () => {
    const door = await openDoor({ streamLifeMs: 3_000 });
    const first = await bulk(door);
    const headers = { 'if-none-match': first.headers.get('etag') ?? '' };
    const again = await until('the period has passed', async () => {
      const answer = await bulk(door, { headers });
      return answer.status === 200 ? answer : undefined;
    });
    expect(streamOf(again.json)).not.toBe(streamOf(first.json));
    expect(generationOf(again.json)).toBe(generationOf(first.json));
    const now = { 'if-none-match': again.headers.get('etag') ?? '' };
    expect((await bulk(door, { headers: now })).status).toBe(304);
  });
});

describe('A client that was told of a change by a faster controller', () => {
  it('is answered once this one has it, and in any case after a moment', async () => {
    const door = running.controller.service;
    const { core } = running.controller.controller;
    const held = generationOf((await bulk(door)).json);
    const told = bulk(door, {}, `?flagConfigEtag=${encodeURIComponent(`"${held + 1_000}"`)}&flagConfigLastModified=1`);
    const snapshot = core.feed.current(TARGET);
    if (snapshot === undefined) throw new Error('The target has no ruleset.');
    const text = snapshot.text.replaceAll(`"version":"${held}"`, `"version":"${held + 1_000}"`);
    core.feed.offer({ ...snapshot, text, generation: held + 1_000 });
    expect(generationOf((await told).json)).toBe(held + 1_000);
    const never = await bulk(door, {}, `?flagConfigEtag=${encodeURIComponent(`"${held + 2_000}"`)}`);
    expect(never.status).toBe(200);
  });
});
