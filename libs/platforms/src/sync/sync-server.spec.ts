import { Client, credentials, logVerbosity, Metadata, setLogVerbosity, status, type ServiceError } from '@grpc/grpc-js';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FlagdProvider } from '@openfeature/flagd-provider';
import { OpenFeature, ProviderEvents, type EvaluationDetails, type JsonValue } from '@openfeature/server-sdk';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '#libs/kernel';
import { MemoryDriver, startSyncServer, type SyncLogEntry, type SyncServer, type SyncServerOptions } from '../index.js';
import { decodeRequest, flagSyncService, type Encoded, type SyncRequest } from './wire.js';

const TOKEN = 'hg_service_right';
const HOST = '127.0.0.1';
setLogVerbosity(logVerbosity.NONE);
const waiting = { timeout: 10_000, interval: 10 };
const closing: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

/** A ruleset as the controller renders it: a config split between r1 and r2. */
const ruleset = (generation: number, shareBp: number): JsonObject => {
  const metadata = { flagSetId: 'api-tpu', version: `${generation}` };
  const key = { var: 'targetingKey' };
  const salted = { cat: ['rollout-1', ':', key] };
  const fractional = [salted, ['r2', shareBp], ['r1', 10_000 - shareBp]];
  const flag = {
    state: 'ENABLED',
    variants: { r1: { pool: 'short' }, r2: { pool: 'long' } },
    defaultVariant: 'r1',
    targeting: { if: [key, { fractional }, null] },
    metadata,
  };
  return { flags: { 'router.context': flag }, metadata: { ...metadata, scope: 'api-tpu' } };
};

const startServer = async (over: Partial<SyncServerOptions> = {}) => {
  const driver = new MemoryDriver({ now: () => 0 });
  const log: SyncLogEntry[] = [];
  const options: SyncServerOptions = {
    host: HOST,
    port: 0,
    feed: driver.platform.feed,
    authenticate: (token) => token === TOKEN,
    log: (entry) => log.push(entry),
    ...over,
  };
  const server = await startSyncServer(options);
  closing.push(() => server.close(0));
  return { driver, server, log, options };
};

/** An instance of a fleet, with the official provider. */
const startInstance = (port: number, selector = `api-tpu?token=${TOKEN}`) => {
  const provider = new FlagdProvider({
    resolverType: 'in-process',
    host: HOST,
    port,
    selector,
    deadlineMs: 5_000,
    retryBackoffMs: 100,
    retryBackoffMaxMs: 100,
    retryGracePeriod: 0.2,
  });
  return connect(provider);
};

const connect = async (provider: FlagdProvider) => {
  const name = `instance-${Math.random()}`;
  closing.push(() => provider.onClose());
  await OpenFeature.setProviderAndWait(name, provider);
  const client = OpenFeature.getClient(name);
  const evaluate = (targetingKey: string): Promise<EvaluationDetails<JsonValue>> =>
    client.getObjectDetails<JsonValue>('router.context', {}, { targetingKey });
  const variants = async () => {
    const details = await Promise.all(Array.from({ length: 2_000 }, (_, index) => evaluate(`unit-${index}`)));
    return details.map(({ variant }) => variant);
  };
  const generation = async () => (await evaluate('unit-0')).flagMetadata['version'];
  return { client, evaluate, variants, generation };
};

const shareOf = (variants: readonly (string | undefined)[]) =>
  variants.filter((variant) => variant === 'r2').length / variants.length;

describe('a fleet instance with the official flagd provider', () => {
  it('evaluates with the ruleset of its target and knows its generation', async () => {
    const { driver, server } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const instance = await startInstance(server.port);
    const details = await instance.evaluate('unit-1');
    expect(details.flagMetadata).toEqual({ flagSetId: 'api-tpu', scope: 'api-tpu', version: '41' });
    expect(details.value).toEqual(details.variant === 'r2' ? { pool: 'long' } : { pool: 'short' });
    expect(shareOf(await instance.variants())).toBeGreaterThan(0.07);
    expect(shareOf(await instance.variants())).toBeLessThan(0.13);
  });

  it('finds its token nowhere in what an evaluation tells, of a config that is there or not', async () => {
    const { driver, server } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const { client } = await startInstance(server.port);
    for (const key of ['router.context', 'nothing.here']) {
      const details = await client.getObjectDetails<JsonValue>(key, {}, { targetingKey: 'unit-1' });
      expect(JSON.stringify(details)).not.toContain(TOKEN);
    }
  });

  it('follows a new share at once, is told so by an event, and moves nobody back', async () => {
    const { driver, server } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const instance = await startInstance(server.port);
    const before = await instance.variants();
    const changed = new Promise((resolve) => {
      instance.client.addHandler(ProviderEvents.ConfigurationChanged, resolve);
    });
    await driver.apply('api-tpu', ruleset(42, 5_000), 42);
    await changed;
    expect(await instance.generation()).toBe('42');
    const after = await instance.variants();
    expect(shareOf(after)).toBeGreaterThan(0.45);
    expect(before.filter((variant, index) => variant === 'r2' && after[index] !== 'r2')).toEqual([]);
  });

  it('is told of a new generation even when no flag but only the generation changed', async () => {
    const { driver, server } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const instance = await startInstance(server.port);
    await driver.apply('api-tpu', ruleset(42, 1_000), 42);
    await vi.waitFor(async () => expect(await instance.generation()).toBe('42'), waiting);
  });

  it('changes no variant while no controller answers, and follows again when one does', async () => {
    const { driver, server, options } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const instance = await startInstance(server.port);
    const before = await instance.variants();
    const [stale, lost] = [ProviderEvents.Stale, ProviderEvents.Error].map(
      (event) => new Promise((resolve) => instance.client.addHandler(event, resolve)),
    );
    await server.close(0);
    await stale;
    expect(await instance.variants()).toEqual(before);
    await lost;
    expect(await instance.variants()).toEqual(before);
    await driver.apply('api-tpu', ruleset(42, 0), 42);
    const again = await startSyncServer({ ...options, port: server.port });
    closing.push(() => again.close(0));
    await vi.waitFor(async () => expect(await instance.generation()).toBe('42'), waiting);
    expect(shareOf(await instance.variants())).toBe(0);
  });

  it('that starts while no controller answers gives every unit its variant from the ruleset on disk', async () => {
    const { driver, server } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const streaming = await startInstance(server.port);
    const folder = mkdtempSync(join(tmpdir(), 'ruleset-'));
    closing.push(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'api-tpu.json');
    writeFileSync(file, driver.platform.feed.current('api-tpu')?.text ?? '');
    const offline = await connect(new FlagdProvider({ resolverType: 'in-process', offlineFlagSourcePath: file }));
    expect(await offline.variants()).toEqual(await streaming.variants());
    expect(await offline.generation()).toBe('41');
  });

  it('reconnects after a graceful stop too: its stream ends with an error, never as complete', async () => {
    const { driver, server, options } = await startServer();
    await driver.apply('api-tpu', ruleset(41, 1_000), 41);
    const instance = await startInstance(server.port);
    await server.close(5_000);
    await driver.apply('api-tpu', ruleset(42, 1_000), 42);
    const again = await startSyncServer({ ...options, port: server.port });
    closing.push(() => again.close(0));
    await vi.waitFor(async () => expect(await instance.generation()).toBe('42'), waiting);
  });
});

/** A client that shows statuses and frames as they are. */
const rawClient = (port: number) => {
  const client = new Client(`${HOST}:${port}`, credentials.createInsecure());
  closing.push(() => client.close());
  const { syncFlags, fetchAllFlags, getMetadata } = flagSyncService;
  const metadataOf = (headers: Record<string, string>) => {
    const metadata = new Metadata();
    for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
    return metadata;
  };
  const unary = (of: typeof fetchAllFlags, request: SyncRequest, headers: Record<string, string>) =>
    new Promise<Encoded>((resolve, reject) => {
      client.makeUnaryRequest<SyncRequest, Encoded>(
        of.path,
        of.requestSerialize,
        of.responseDeserialize,
        request,
        metadataOf(headers),
        (error, answer) => (error === null && answer !== undefined ? resolve(answer) : reject(error as ServiceError)),
      );
    });
  const stream = (selector: string, headers: Record<string, string> = {}) =>
    client.makeServerStreamRequest<SyncRequest, Encoded>(
      syncFlags.path,
      syncFlags.requestSerialize,
      syncFlags.responseDeserialize,
      { selector },
      metadataOf(headers),
    );
  const outcome = (selector: string, headers: Record<string, string> = {}) =>
    new Promise<ServiceError | Encoded>((resolve) => {
      const call = stream(selector, headers);
      call.once('data', (frame: Encoded) => {
        call.cancel();
        resolve(frame);
      });
      call.on('error', (error) => resolve(error as ServiceError));
    });
  return {
    stream,
    outcome,
    fetchAll: (selector: string, headers: Record<string, string> = {}) => unary(fetchAllFlags, { selector }, headers),
    metadata: (selector: string, headers: Record<string, string> = {}) => unary(getMetadata, { selector }, headers),
  };
};

/** Strips field tag and length: the ruleset's JSON. */
const jsonOf = (frame: Encoded): { readonly metadata: { readonly version: string } } =>
  JSON.parse(frame.toString('utf8', frame.indexOf('{'))) as { metadata: { version: string } };

const serve = async (over: Partial<SyncServerOptions> = {}) => {
  const started = await startServer(over);
  await started.driver.apply('api-tpu', ruleset(41, 1_000), 41);
  return { ...started, raw: rawClient(started.server.port) };
};

describe('who may stream a ruleset', () => {
  it.each([
    ['a token in the selector of the header', '', { 'flagd-selector': `api-tpu?token=${TOKEN}` }],
    ['a token in the selector of the request', `api-tpu?token=${TOKEN}`, {}],
    ['a bearer token beside the selector', 'api-tpu', { authorization: `Bearer ${TOKEN}` }],
    ['a bearer token beside the header', '', { 'flagd-selector': 'api-tpu', authorization: `bearer ${TOKEN}` }],
  ])('a caller with %s', async (_, selector, headers) => {
    const { raw } = await serve();
    const frame = await raw.outcome(selector, headers);
    expect(jsonOf(frame as Encoded).metadata.version).toBe('41');
    expect(jsonOf(await raw.fetchAll(selector, headers)).metadata.version).toBe('41');
    expect((await raw.metadata(selector, headers)).length).toBe(0);
  });

  it.each([
    ['no token', 'api-tpu', {}],
    ['a wrong token', 'api-tpu?token=hg_service_wrong', {}],
    ['a wrong token for a target that does not exist', 'nowhere?token=hg_service_wrong', {}],
    ['a wrong bearer token', 'api-tpu', { authorization: 'Bearer hg_service_wrong' }],
    ['nothing at all', '', {}],
  ])('nobody with %s', async (_, selector, headers) => {
    const { raw } = await serve();
    expect(await raw.outcome(selector, headers)).toMatchObject({ code: status.UNAUTHENTICATED });
    await expect(raw.fetchAll(selector, headers)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
    await expect(raw.metadata(selector, headers)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it.each([
    [`nowhere?token=${TOKEN}`, 'Target nowhere has no ruleset'],
    [`Not A Name?token=${TOKEN}`, 'names no target'],
    [`?token=${TOKEN}`, 'names no target'],
  ])('an accepted caller of an unknown target is told so: %s', async (selector, details) => {
    const { raw } = await serve();
    const refused = await raw.outcome(selector);
    expect(refused).toMatchObject({ code: status.NOT_FOUND, details: expect.stringContaining(details) });
  });

  it('is asked to come back when tokens cannot be checked', async () => {
    const { raw } = await serve({ authenticate: () => Promise.reject(new Error('database away')) });
    expect(await raw.outcome(`api-tpu?token=${TOKEN}`)).toMatchObject({ code: status.UNAVAILABLE });
  });

  it('loses the stream soon after the token was revoked, and keeps it while tokens cannot be checked', async () => {
    let answer: () => boolean = () => true;
    let checks = 0;
    const authenticate = () => {
      checks += 1;
      return answer();
    };
    const { raw, server } = await serve({ authenticate, recheckMs: 20 });
    const call = raw.stream(`api-tpu?token=${TOKEN}`);
    const ended = new Promise<ServiceError>((resolve) => call.on('error', (error) => resolve(error as ServiceError)));
    await new Promise((resolve) => call.once('data', resolve));
    answer = () => {
      throw new Error('database away');
    };
    const seen = checks;
    await vi.waitFor(() => expect(checks).toBeGreaterThan(seen + 3), waiting);
    expect(server.streams()).toBe(1);
    answer = () => false;
    expect(await ended).toMatchObject({ code: status.UNAUTHENTICATED });
  });

  it('never finds a selector or token in the log or in an error', async () => {
    const { raw, log } = await serve();
    const secrets = [TOKEN, 'hg_service_wrong'];
    const answers = await Promise.all([
      raw.outcome(`api-tpu?token=${TOKEN}`),
      raw.outcome('api-tpu?token=hg_service_wrong'),
      raw.outcome('hg_service_wrong'),
      raw.outcome('hg_service_wrong', { authorization: `Bearer ${TOKEN}` }),
    ]);
    const said = JSON.stringify([log, answers.map((answer) => (answer instanceof Error ? answer.message : ''))]);
    expect(secrets.filter((secret) => said.includes(secret))).toEqual([]);
    expect(log.length).toBeGreaterThan(0);
  });
});

describe('the broadcast of a ruleset', () => {
  it('gives a slow client only the newest when it reads again', async () => {
    const { driver, raw } = await serve();
    const filler = 'x'.repeat(300_000);
    const slow = raw.stream(`api-tpu?token=${TOKEN}`);
    const fast = raw.stream(`api-tpu?token=${TOKEN}`);
    closing.push(() => [slow, fast].forEach((call) => call.on('error', () => {}).cancel()));
    await new Promise((resolve) => slow.once('data', resolve));
    slow.pause();
    const seenByFast: string[] = [];
    fast.on('data', (frame: Encoded) => seenByFast.push(jsonOf(frame).metadata.version));
    for (let generation = 42; generation <= 81; generation += 1) {
      await driver.apply('api-tpu', { ...ruleset(generation, 1_000), filler }, generation);
      await vi.waitFor(() => expect(seenByFast.at(-1)).toBe(`${generation}`), { timeout: 5_000, interval: 1 });
    }
    const seenBySlow: string[] = [];
    slow.on('data', (frame: Encoded) => seenBySlow.push(jsonOf(frame).metadata.version));
    slow.resume();
    await vi.waitFor(() => expect(seenBySlow.at(-1)).toBe('81'), waiting);
    expect(seenByFast.length).toBeGreaterThan(35);
    expect(seenBySlow.length).toBeLessThan(20);
  });

  it('forgets streams whose clients are gone', async () => {
    const { server, raw } = await serve();
    const call = raw.stream(`api-tpu?token=${TOKEN}`);
    call.on('error', () => {});
    await new Promise((resolve) => call.once('data', resolve));
    expect(server.streams()).toBe(1);
    call.cancel();
    await vi.waitFor(() => expect(server.streams()).toBe(0), waiting);
  });

  it('cannot start on a port that is taken, and says what to do', async () => {
    const { server, options } = await serve();
    const second: Promise<SyncServer> = startSyncServer({ ...options, port: server.port });
    await expect(second).rejects.toThrow('HEADGATE_SYNC_PORT');
  });
});

describe('a request of the sync service', () => {
  const bytes = (...parts: (number | string)[]) =>
    Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))));

  it('is read whatever unknown fields stand around the selector', () => {
    const message = bytes(0x0a, 2, 'me', 0x18, 0x96, 0x01, 0x12, 7, 'api-tpu', 0x25, 'four', 0x29, 'eightbyt');
    expect(decodeRequest(message)).toEqual({ selector: 'api-tpu' });
    expect(decodeRequest(Buffer.alloc(0))).toEqual({ selector: '' });
  });

  it.each([
    ['a field that is cut off', bytes(0x12, 7, 'api')],
    ['a number that never ends', bytes(...Array.from({ length: 12 }, () => 0xff))],
    ['a wire type that does not exist', bytes(0x0f)],
  ])('is refused when it has %s', (_, message) => {
    expect(() => decodeRequest(message)).toThrow('request');
  });
});
