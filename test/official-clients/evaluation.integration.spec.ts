import { FlagdProvider } from '@openfeature/flagd-provider';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import {
  OpenFeature,
  ProviderStatus,
  type Client,
  type EvaluationContext,
  type EvaluationDetails,
  type Hook,
  type JsonValue,
} from '@openfeature/server-sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, clientOf, type Door } from '#test/kit/http';
import { startInProcess, type InProcess } from '#test/kit/in-process';
import { world } from '#test/kit/manifests';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { startHttp } from '../../apps/controller/src/http/server.js';
import { CASES, FLAGS, type Case } from './evaluation-cases.js';

const TARGET = 'api-tpu';
const GENERATION = 1_000_000;

let database: TestDatabase;
let controller: InProcess;
let isUp = true;

const inProcess = (token = controller.service.token): FlagdProvider =>
  new FlagdProvider({
    resolverType: 'in-process',
    deadlineMs: 30_000,
    host: '127.0.0.1',
    port: controller.controller.syncPort,
    selector: `${TARGET}?token=${token}`,
  });

const byOfrep = (): OFREPProvider =>
  new OFREPProvider({
    baseUrl: `${controller.service.url}/v1/targets/${TARGET}`,
    headers: [['Authorization', `Bearer ${controller.service.token}`]],
  });

const WAYS = ['in process', 'by OFREP'] as const;
type Way = (typeof WAYS)[number];

const clientBy = (way: Way): Client => OpenFeature.getClient(`evaluation ${way}`);

beforeAll(async () => {
  database = await createTestDatabase();
  controller = await startInProcess(database.url);
  await clientOf(controller.operator).apply({ manifests: world() });
  const metadata = { flagSetId: TARGET, version: String(GENERATION), scope: TARGET };
  await controller.controller.core.pull.apply(TARGET, { flags: FLAGS, metadata }, GENERATION);
  await OpenFeature.setProviderAndWait('evaluation in process', inProcess());
  await OpenFeature.setProviderAndWait('evaluation by OFREP', byOfrep());
  const evaluated = async (): Promise<boolean> =>
    (await clientBy('in process').getStringDetails('region', '', { targetingKey: 'u' })).variant === 'near';
  await until('the ruleset has arrived', evaluated);
});

afterAll(async () => {
  await OpenFeature.clearProviders();
  if (isUp) await controller.stop();
  await database.drop();
});

const detailsOf = (
  client: Client,
  { kind, key, fallback }: Pick<Case, 'kind' | 'key' | 'fallback'>,
  context: EvaluationContext,
  hooks: Hook[] = [],
): Promise<EvaluationDetails<JsonValue>> => {
  switch (kind) {
    case 'boolean':
      return client.getBooleanDetails(key, fallback as boolean, context, { hooks });
    case 'string':
      return client.getStringDetails(key, fallback as string, context, { hooks });
    case 'number':
      return client.getNumberDetails(key, fallback as number, context, { hooks });
    case 'object':
      return client.getObjectDetails(key, fallback, context, { hooks });
  }
};

describe.each(WAYS)('The official server client, evaluating %s', (way) => {
  it.each(CASES)('$says ($kind)', async (each) => {
    const context = { targetingKey: 'unit-1', ...each.context };
    const details = await detailsOf(clientBy(way), each, context);
    const { value, reason, variant, errorCode } = { ...each, ...(way === 'by OFREP' ? each.byOfrep : {}) };
    expect({ ...details, flagMetadata: undefined, errorMessage: undefined }).toEqual({
      flagKey: each.key,
      value,
      reason,
      ...(variant === undefined ? {} : { variant }),
      ...(errorCode === undefined ? {} : { errorCode }),
    });
  });

  it('has the metadata of a flag, each value of its type', async () => {
    const { flagMetadata } = await clientBy(way).getBooleanDetails('described', false, { targetingKey: 'u' });
    expect(flagMetadata).toMatchObject({ owner: 'serving', tier: 2, weight: 0.5, reviewed: true });
  });

  it('says in words what was not found', async () => {
    const { errorMessage } = await clientBy(way).getBooleanDetails('never-made', false, { targetingKey: 'u' });
    expect(errorMessage).toMatch(way === 'in process' ? /never-made.*not found/ : /./);
  });

  it('gives the same without details as with them', async () => {
    const client = clientBy(way);
    expect(await client.getNumberValue('batch-size', 1, { targetingKey: 'u' })).toBe(48);
    expect(await client.getObjectValue('pools', {}, { targetingKey: 'u' })).toEqual(
      (await client.getObjectDetails('pools', {}, { targetingKey: 'u' })).value,
    );
  });

  it('runs the hooks of one evaluation in their order, and back', async () => {
    const ran: string[] = [];
    const hook = (name: string): Hook => ({
      before: () => void ran.push(`before ${name}`),
      after: () => void ran.push(`after ${name}`),
      finally: () => void ran.push(`finally ${name}`),
    });
    const asked = { kind: 'boolean', key: 'cache-prompts', fallback: false } as const;
    await detailsOf(clientBy(way), asked, { targetingKey: 'u' }, [hook('1'), hook('2')]);
    expect(ran).toEqual(['before 1', 'before 2', 'after 2', 'after 1', 'finally 2', 'finally 1']);
  });

  it('changes nothing of the context that it was given', async () => {
    const context = { targetingKey: 'u', plan: 'pro', nested: { list: [1, 2] } };
    const copy = structuredClone(context);
    await clientBy(way).getStringDetails('pro-greeting', 'x', context);
    expect(context).toEqual(copy);
  });

  it('evaluates many at once to the same as one after the other', async () => {
    const one = (n: number) =>
      clientBy(way).getStringValue('pro-greeting', 'x', { targetingKey: `u-${n}`, plan: n % 2 ? 'pro' : 'basic' });
    const many = await Promise.all(Array.from({ length: 50 }, (_, n) => one(n)));
    expect(many).toEqual(Array.from({ length: 50 }, (_, n) => (n % 2 ? '' : 'hello')));
  });

  it('never says that an answer is from a cache: each is evaluated anew', async () => {
    const client = clientBy(way);
    await client.getStringDetails('region', 'x', { targetingKey: 'u' });
    expect((await client.getStringDetails('region', 'x', { targetingKey: 'u' })).reason).toBe('STATIC');
  });
});

describe('A request without a targeting key', () => {
  it('has its default in process, and is refused by OFREP, which asks for one', async () => {
    const inside = await clientBy('in process').getStringDetails('region', 'x', {});
    expect(inside).toMatchObject({ value: 'eu-west', reason: 'STATIC' });
    const outside = await clientBy('by OFREP').getStringDetails('region', 'x', {});
    expect(outside).toMatchObject({ value: 'x', reason: 'ERROR', errorCode: 'TARGETING_KEY_MISSING' });
  });
});

describe('A controller that lets each token ask for so many evaluations a second', () => {
  it('tells the official server client when to come again, which asks nothing until then', async () => {
    const { core } = controller.controller;
    const server = await startHttp(core, '127.0.0.1', 0, { ofrepRate: 5 });
    const asked: number[] = [];
    const fetchImplementation: typeof fetch = async (...call) => {
      const response = await fetch(...call);
      asked.push(response.status);
      return response;
    };
    const provider = new OFREPProvider({
      baseUrl: `${server.url}/v1/targets/${TARGET}`,
      headers: [['Authorization', `Bearer ${controller.service.token}`]],
      fetchImplementation,
    });
    await OpenFeature.setProviderAndWait('evaluation limited', provider);
    const client = OpenFeature.getClient('evaluation limited');
    const region = () => client.getStringDetails('region', 'x', { targetingKey: 'u' });
    await until('it is told to come again later', async () => (await region()).value === 'x');
    expect(asked.at(-1)).toBe(429);
    const then = asked.length;
    expect((await region()).value).toBe('x');
    expect(asked).toHaveLength(then);
    await until('it is served again', async () => (await region()).value === 'eu-west');
    await server.close();
  });

  it('counts each token by itself', async () => {
    const server = await startHttp(controller.controller.core, '127.0.0.1', 0, { ofrepRate: 1 });
    const path = `/v1/targets/${TARGET}/ofrep/v1/evaluate/flags/region`;
    const statusOf = async ({ token }: Door) =>
      (await ask({ url: server.url, token }, 'POST', path, { body: { context: { targetingKey: 'u' } } })).status;
    const [first, second] = await Promise.all([statusOf(controller.service), statusOf(controller.service)]);
    expect([first, second].toSorted()).toEqual([200, 429]);
    expect(await statusOf(controller.admin)).toBe(200);
    await server.close();
  });
});

describe('The state of the official server client', () => {
  it('is ready once the ruleset is there', () => {
    for (const way of WAYS) expect(clientBy(way).providerStatus).toBe(ProviderStatus.READY);
  });

  it('is not ready before, and the code’s default is served', async () => {
    const provider = new FlagdProvider({ resolverType: 'in-process', host: '127.0.0.1', port: 1, selector: TARGET });
    OpenFeature.setProvider('evaluation without anybody', provider);
    const client = OpenFeature.getClient('evaluation without anybody');
    expect(client.providerStatus).toBe(ProviderStatus.NOT_READY);
    const details = await client.getStringDetails('region', 'x', { targetingKey: 'u' });
    expect(details).toMatchObject({ value: 'x', reason: 'ERROR', errorCode: 'PROVIDER_NOT_READY' });
  });

  it('is an error or fatal with a wrong token, and the code’s default is served', async () => {
    await OpenFeature.setProviderAndWait('evaluation refused', inProcess('hg_service_wrong')).catch(() => undefined);
    const client = OpenFeature.getClient('evaluation refused');
    expect([ProviderStatus.ERROR, ProviderStatus.FATAL]).toContain(client.providerStatus);
    expect((await client.getStringDetails('region', 'x', { targetingKey: 'u' })).value).toBe('x');
  });

  it('is stale in an outage, in which evaluation in process goes on as before and OFREP falls back to the code', async () => {
    isUp = false;
    await controller.stop();
    await until('the client knows', () => clientBy('in process').providerStatus !== ProviderStatus.READY);
    const inside = await clientBy('in process').getStringDetails('pro-greeting', 'x', {
      targetingKey: 'u',
      plan: 'pro',
    });
    expect(inside).toMatchObject({ value: '', variant: 'silent' });
    const outside = await clientBy('by OFREP').getStringDetails('pro-greeting', 'x', {
      targetingKey: 'u',
      plan: 'pro',
    });
    expect(outside).toMatchObject({ value: 'x', reason: 'ERROR' });
  });
});
