import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { OFREPProvider } from '@openfeature/ofrep-provider';
import { OpenFeature, type JsonValue } from '@openfeature/server-sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '#libs/kernel';
import { MemoryDriver, OfrepEvaluator, rulesetResponse, type OfrepResponse } from '../index.js';

const flag = (generation: number, over: JsonObject): JsonObject => ({
  state: 'ENABLED',
  variants: { r1: { pool: 'short' }, r2: { pool: 'long' } },
  defaultVariant: 'r1',
  metadata: { flagSetId: 'api-tpu', version: `${generation}` },
  ...over,
});

const ruleset = (generation: number, shareBp: number): JsonObject => {
  const key = { var: 'targetingKey' };
  const fractional = [{ cat: ['rollout-1', ':', key] }, ['r2', shareBp], ['r1', 10_000 - shareBp]];
  return {
    flags: {
      'router.context': flag(generation, { targeting: { if: [key, { fractional }, null] } }),
      'sampling.top-p': flag(generation, { variants: { r3: { topP: 0.9 } }, defaultVariant: 'r3' }),
    },
    metadata: { flagSetId: 'api-tpu', version: `${generation}` },
  };
};

const body = (targetingKey: string, more: JsonObject = {}) => ({ context: { targetingKey, ...more } });

let driver: MemoryDriver;
type Body = Readonly<Record<string, unknown>> | undefined;
const read = ({ status, headers, body: text }: OfrepResponse) => ({
  status,
  headers,
  body: text === undefined ? undefined : (JSON.parse(text) as Body),
});
/** The evaluator, with its bodies as what they say. */
const reading = (evaluator: OfrepEvaluator) => ({
  evaluateOne: (...asked: Parameters<OfrepEvaluator['evaluateOne']>) => read(evaluator.evaluateOne(...asked)),
  evaluateAll: (...asked: Parameters<OfrepEvaluator['evaluateAll']>) => read(evaluator.evaluateAll(...asked)),
});

let ofrep: ReturnType<typeof reading>;
beforeEach(async () => {
  driver = new MemoryDriver({ now: () => 0 });
  ofrep = reading(new OfrepEvaluator(driver.platform.feed));
  await driver.apply('api-tpu', ruleset(41, 5_000), 41);
});

const variantOf = (unit: string) => ofrep.evaluateOne('api-tpu', 'router.context', body(unit)).body?.['variant'];

describe('a single OFREP evaluation', () => {
  it('answers with value, variant, generation and target, and calls a split a split', () => {
    const answer = ofrep.evaluateOne('api-tpu', 'router.context', body('unit-1'));
    const variant = variantOf('unit-1');
    expect(answer).toEqual({
      status: 200,
      headers: {},
      body: {
        key: 'router.context',
        value: variant === 'r2' ? { pool: 'long' } : { pool: 'short' },
        variant,
        reason: 'SPLIT',
        metadata: { flagSetId: 'api-tpu', version: '41' },
      },
    });
  });

  it('calls a config without a split static', () => {
    const answer = ofrep.evaluateOne('api-tpu', 'sampling.top-p', body('unit-1'));
    expect(answer.body).toMatchObject({ variant: 'r3', reason: 'STATIC', value: { topP: 0.9 } });
  });

  it('puts the share on the candidate and keeps each unit there', () => {
    const units = Array.from({ length: 2_000 }, (_, index) => `unit-${index}`);
    const first = units.map(variantOf);
    const share = first.filter((variant) => variant === 'r2').length / units.length;
    expect(Math.abs(share - 0.5)).toBeLessThan(0.05);
    expect(units.map(variantOf)).toEqual(first);
  });

  it('follows a new generation at once', async () => {
    ofrep.evaluateOne('api-tpu', 'router.context', body('unit-1'));
    await driver.apply('api-tpu', ruleset(42, 10_000), 42);
    const answer = ofrep.evaluateOne('api-tpu', 'router.context', body('unit-1'));
    expect(answer.body).toMatchObject({ variant: 'r2', metadata: { version: '42' } });
  });

  it.each([
    ['a body that is not JSON', undefined, 'PARSE_ERROR'],
    ['a body that is a list', [], 'PARSE_ERROR'],
    ['no context', {}, 'INVALID_CONTEXT'],
    ['a context that is text', { context: 'unit-1' }, 'INVALID_CONTEXT'],
    ['a targeting key that is a number', { context: { targetingKey: 7 } }, 'INVALID_CONTEXT'],
    ['no targeting key', { context: { plan: 'pro' } }, 'TARGETING_KEY_MISSING'],
    ['an empty targeting key', { context: { targetingKey: '' } }, 'TARGETING_KEY_MISSING'],
    [
      'a context nested a thousand levels deep',
      JSON.parse(`{"context":{"targetingKey":"u","deep":${'['.repeat(1_000)}${']'.repeat(1_000)}}}`) as unknown,
      'INVALID_CONTEXT',
    ],
  ])('refuses %s, singly and in bulk', (_, input, errorCode) => {
    const one = ofrep.evaluateOne('api-tpu', 'router.context', input);
    const all = ofrep.evaluateAll('api-tpu', input, undefined);
    expect(one).toMatchObject({ status: 400, body: { key: 'router.context', errorCode } });
    expect(all).toMatchObject({ status: 400, body: { errorCode } });
    expect(all.body).not.toHaveProperty('key');
  });

  it.each([
    ['config', 'api-tpu', 'nothing.here'],
    ['target', 'nowhere', 'router.context'],
  ])('says that a %s is not there', (_, target, key) => {
    const answer = ofrep.evaluateOne(target, key, body('unit-1'));
    expect(answer).toMatchObject({ status: 404, body: { key, errorCode: 'FLAG_NOT_FOUND' } });
  });

  it('is not confused by a context that looks like an error or an evaluator’s own property', () => {
    const hostile = body('unit-1', { errorCode: 'GENERAL', errorDetails: 'x', failure: {}, $flagd: { flagKey: 'y' } });
    expect(ofrep.evaluateOne('api-tpu', 'router.context', hostile).body?.['variant']).toBe(variantOf('unit-1'));
  });
});

describe('a bulk OFREP evaluation', () => {
  const all = (unit: string, ifNoneMatch?: string, more: JsonObject = {}) =>
    ofrep.evaluateAll('api-tpu', body(unit, more), ifNoneMatch);

  it('answers with every config of the target', () => {
    const answer = all('unit-1');
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      flags: [{ key: 'router.context', variant: variantOf('unit-1') }, { key: 'sampling.top-p' }],
      metadata: { flagSetId: 'api-tpu', version: '41' },
    });
  });

  it('answers 304 to a caller who has this generation for this context', () => {
    const { etag } = all('unit-1').headers;
    expect(all('unit-1', etag)).toEqual({ status: 304, body: undefined, headers: { etag } });
    expect(all('unit-1', `"other", W/${etag}`).status).toBe(304);
  });

  it('answers in full to another context, and after a new generation', async () => {
    const { etag } = all('unit-1').headers;
    expect(all('unit-2', etag).status).toBe(200);
    expect(all('unit-1', etag, { plan: 'pro' }).status).toBe(200);
    await driver.apply('api-tpu', ruleset(42, 5_000), 42);
    expect(all('unit-1', etag).status).toBe(200);
  });

  it('says that a target is not there', () => {
    expect(ofrep.evaluateAll('nowhere', body('unit-1'), undefined)).toMatchObject({ status: 404 });
  });
});

describe('the ruleset over HTTP', () => {
  const get = (target: string, ifNoneMatch?: string) => rulesetResponse(driver.platform.feed, target, ifNoneMatch);

  it('is the flag definition, tagged with its generation', () => {
    const answer = get('api-tpu');
    expect(answer).toMatchObject({ status: 200, headers: { etag: '"41"' } });
    expect(JSON.parse(answer.body ?? '')).toEqual(ruleset(41, 5_000));
  });

  it.each(['"41"', 'W/"41"', '"40", "41"', '*'])('is not sent to a caller who has it: %s', (ifNoneMatch) => {
    expect(get('api-tpu', ifNoneMatch)).toMatchObject({ status: 304, body: undefined });
  });

  it('never takes a caller back: who has a newer generation, from another controller, keeps it', () => {
    expect(get('api-tpu', '"141"')).toMatchObject({ status: 304, body: undefined, headers: { etag: '"41"' } });
  });

  it.each(['"40"', '41', '', '"x"'])('is sent to a caller who has something else: %s', (ifNoneMatch) => {
    expect(get('api-tpu', ifNoneMatch).status).toBe(200);
  });

  it('is not there for an unknown target', () => {
    expect(get('nowhere')).toMatchObject({ status: 404 });
  });
});

describe('the official OFREP provider', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  const readBody = async (request: IncomingMessage): Promise<unknown> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, target = '', key = ''] = /^\/v1\/targets\/([^/]+)\/ofrep\/v1\/evaluate\/flags\/(.+)$/.exec(
      request.url ?? '',
    ) ?? ['', '', ''];
    const { status, body: content, headers } = ofrep.evaluateOne(target, key, await readBody(request));
    response.writeHead(status, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(content));
  };

  const client = async (target = 'api-tpu') => {
    const server = createServer((request, response) => void answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const name = `ofrep-${port}`;
    const baseUrl = `http://127.0.0.1:${port}/v1/targets/${target}`;
    await OpenFeature.setProviderAndWait(name, new OFREPProvider({ baseUrl }));
    return OpenFeature.getClient(name);
  };

  it('gets value, variant, reason, generation and target', async () => {
    const flags = await client();
    const details = await flags.getObjectDetails<JsonValue>('router.context', {}, { targetingKey: 'unit-1' });
    expect(details).toMatchObject({
      variant: variantOf('unit-1'),
      reason: 'SPLIT',
      flagMetadata: { flagSetId: 'api-tpu', version: '41' },
    });
  });

  it.each([
    ['FLAG_NOT_FOUND', 'nothing.here', { targetingKey: 'unit-1' }],
    ['TARGETING_KEY_MISSING', 'router.context', { plan: 'pro' }],
  ])('keeps its code default on %s', async (errorCode, key, context) => {
    const details = await (await client()).getObjectDetails(key, { pool: 'default' }, context);
    expect(details).toMatchObject({ value: { pool: 'default' }, reason: 'ERROR', errorCode });
  });
});
