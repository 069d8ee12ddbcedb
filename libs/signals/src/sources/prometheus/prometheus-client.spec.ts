import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SignalManifest, SourceManifest } from '#libs/contracts';
import type { AskedSignal, Reading } from '../asked.js';
import { PrometheusClient } from './prometheus-client.js';

const window = { from: 1_800_000_000_000, until: 1_800_000_015_000 };

let server: Server;
let url: string;
let asked: { readonly query: string; readonly time: string; readonly headers: IncomingMessage['headers'] }[] = [];
let respond: (query: string, response: ServerResponse) => void;

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
};

beforeAll(async () => {
  server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const form = new URLSearchParams(body);
      const query = form.get('query') ?? '';
      asked.push({ query, time: form.get('time') ?? '', headers: request.headers });
      respond(query, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => (asked = []));
afterAll(() => server.closeAllConnections());
afterAll(() => new Promise((resolve) => server.close(resolve)));

const labels = { headgate_target: 'api-us', model: 'haiku', feature_flag_key: 'k', feature_flag_result_variant: 'r2' };
const series = (value: string, more: Record<string, string> = {}) => ({
  metric: { ...labels, ...more },
  value: [1_800_000_015, value],
});
const vector = (...result: readonly unknown[]): string =>
  JSON.stringify({ status: 'success', data: { resultType: 'vector', result } });

const signal = (spec: Record<string, unknown> = {}, source: Record<string, unknown> = {}): AskedSignal => {
  const read = SignalManifest.shape.spec.parse({
    type: 'rate',
    title: 'errors',
    source: { type: 'prometheus', from: 'metrics', requests: 'all[$window]', bad: 'bad[$window]', ...source },
    ...spec,
  });
  return { signal: 'errors', type: read.type as 'rate', asked: read.source as AskedSignal['asked'] };
};

const client = (connection: Record<string, unknown> = {}, environment: Record<string, string> = {}) =>
  new PrometheusClient(
    SourceManifest.shape.spec.parse({ type: 'prometheus', url, timeout: '10s', ...connection }) as never,
    environment,
  );

const read = async (one = signal(), from = client()): Promise<Reading | undefined> =>
  (await from.ask([{ signal: one, windows: [window] }], new AbortController().signal))[0]?.reading;

const answer =
  (body: string, status = 200) =>
  (_: string, response: ServerResponse): void =>
    void response.writeHead(status).end(body);

const byQuery =
  (answers: Readonly<Record<string, string>>) =>
  (query: string, response: ServerResponse): void =>
    void response.end(answers[query.split('[')[0] ?? ''] ?? vector());

describe('what Prometheus is asked', () => {
  it('is the value at the end of the window, with the length of the window in the query', async () => {
    respond = byQuery({ all: vector(series('10.5')), bad: vector(series('0.5')) });
    expect(await read()).toMatchObject({ kind: 'measured', points: [{ requests: 10.5, bad: 0.5 }] });
    expect(asked.map(({ query, time }) => [query, time]).toSorted()).toEqual([
      ['all[15s]', '1800000015'],
      ['bad[15s]', '1800000015'],
    ]);
  });

  it('carries secrets of the environment and headers of the manifest, and no secret is said when one is missing', async () => {
    respond = byQuery({ all: vector(series('1')) });
    const connection = { bearerTokenEnv: 'HEADGATE_SOURCE_TOKEN', headers: { 'X-Scope-OrgID': 'team' } };
    await read(signal(), client(connection, { HEADGATE_SOURCE_TOKEN: 'secret\n' }));
    expect(asked[0]?.headers).toMatchObject({ authorization: 'Bearer secret', 'x-scope-orgid': 'team' });
    const basic = { usernameEnv: 'HEADGATE_SOURCE_USER', passwordEnv: 'HEADGATE_SOURCE_PASSWORD' };
    const both = { HEADGATE_SOURCE_USER: 'u', HEADGATE_SOURCE_PASSWORD: 'p' };
    asked = [];
    await read(signal(), client({ basicAuth: basic }, both));
    expect(asked[0]?.headers.authorization).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`);
    expect(await read(signal(), client(connection))).toMatchObject({
      kind: 'failed',
      words: expect.stringContaining('HEADGATE_SOURCE_TOKEN'),
    });
  });
});

describe('what Prometheus answers', () => {
  it('a series of requests without one of bad ones had none', async () => {
    respond = byQuery({ all: vector(series('10'), series('7', { feature_flag_result_variant: 'r1' })), bad: vector() });
    expect(await read()).toMatchObject({ points: [{ bad: 0 }, { bad: 0 }], refused: [] });
  });

  it('bad ones without requests are refused', async () => {
    respond = byQuery({ all: vector(series('10')), bad: vector(series('1', { pod: 'x' })) });
    expect(await read()).toMatchObject({ points: [{ bad: 0 }], refused: [{ code: 'bad-without-requests' }] });
  });

  it.each([
    ['an empty vector', vector(), vector()],
    ['requests that are NaN', vector(series('NaN')), vector()],
    ['requests that are infinite', vector(series('+Inf')), vector()],
    ['bad ones that are NaN', vector(series('10')), vector(series('NaN'))],
    ['one series of several that is NaN', vector(series('10'), series('NaN', { pod: 'x' })), vector()],
  ])('rule 3: %s is nothing, and not zero', async (_, all, bad) => {
    respond = byQuery({ all, bad });
    expect(await read()).toMatchObject({ kind: 'nothing' });
  });

  it.each([
    ['a query that is wrong', answer(JSON.stringify({ status: 'error', errorType: 'bad_data', error: 'parse' }), 400)],
    [
      'a query that costs too much',
      answer(JSON.stringify({ status: 'error', errorType: 'execution', error: 'x' }), 422),
    ],
    ['a server that is overloaded', answer(JSON.stringify({ status: 'error', errorType: 'timeout', error: 'x' }), 503)],
    ['a page of a proxy', answer('<html>sign in</html>')],
    ['a page with status 502', answer('<html>bad gateway</html>', 502)],
    ['refused credentials', answer('{}', 401)],
    ['a way to another place', (_: string, out: ServerResponse) => void out.writeHead(302, { location: '/x' }).end()],
    ['JSON of something else', answer('{"hello":"world"}')],
    ['a matrix', answer(JSON.stringify({ status: 'success', data: { resultType: 'matrix', result: [] } }))],
    ['a value that is no text', answer(vector({ metric: {}, value: [1, 5] }))],
    ['an answer that is cut off', (_: string, out: ServerResponse) => void out.write('{"status"', () => out.destroy())],
    [
      'more series than a sum has',
      answer(vector(...Array.from({ length: 5_001 }, (_, n) => series('1', { pod: `${n}` })))),
    ],
    ['more bytes than anybody reads', answer(`"${'x'.repeat(17 * 1024 * 1024)}"`)],
  ])('rule 3: %s is a failure in words, and not zero', async (_, how) => {
    respond = how;
    const reading = await read();
    expect(reading).toMatchObject({ kind: 'failed', words: expect.stringMatching(/.{10}/) });
  });

  it('rule 3: an answer that does not come in time is a failure in words, and not zero', async () => {
    respond = () => undefined;
    const reading = await read(signal(), client({ timeout: '200ms' }));
    expect(reading).toMatchObject({ kind: 'failed', words: expect.stringContaining('did not answer within 0.2 s') });
  });

  it('a server that fails is asked no more in this turn, and the oldest window is the first', async () => {
    respond = answer('{}', 500);
    const windows = [3, 1, 2, 9, 8, 7].map((n) => ({
      from: window.from + n * 15_000,
      until: window.until + n * 15_000,
    }));
    const answers = await client().ask([{ signal: signal(), windows }], new AbortController().signal);
    expect(answers.map((one) => (one.window.from - window.from) / 15_000)).toEqual([1, 2, 3, 7]);
    expect(asked).toHaveLength(8);
  });

  it('large answers are left for several turns', async () => {
    const many = vector(...Array.from({ length: 2_000 }, (_, n) => series('1', { pod: `${n}` })));
    respond = byQuery({ all: many });
    const windows = Array.from({ length: 9 }, (_, n) => ({ from: n * 15_000, until: (n + 1) * 15_000 }));
    const answers = await client().ask([{ signal: signal(), windows }], new AbortController().signal);
    expect(answers.map(({ window: { until } }) => until / 15_000)).toEqual([1, 2, 3, 4]);
  });

  it.each([
    [
      'distribution',
      { type: 'distribution', title: 't' },
      [
        [100, 4],
        [141.421356237, 2],
        [200, 1],
      ],
    ],
    [
      'mean',
      { type: 'mean', title: 't', range: [0, 1_000] },
      [
        [50, 4],
        [150, 2],
        [200, 1],
      ],
    ],
  ])('buckets of a histogram are values of a %s', async (_, spec, values) => {
    const bucket = (le: string, value: string) => series(value, { le });
    respond = byQuery({ b: vector(bucket('+Inf', '7'), bucket('0.1', '4'), bucket('0.2', '6')) });
    const one = signal(spec, { requests: undefined, bad: undefined, values: 'b[$window]', scale: 1_000 });
    expect(await read(one)).toMatchObject({ kind: 'measured', points: [{ requests: 7, values }] });
  });

  it('a histogram without its last bucket, or without bounds, is refused', async () => {
    respond = byQuery({ b: vector(series('4', { le: '1' }), series('4', { pod: 'x' })) });
    const one = signal({ type: 'distribution' }, { requests: undefined, bad: undefined, values: 'b[$window]' });
    expect(await read(one)).toMatchObject({
      points: [],
      refused: [{ code: 'not-a-histogram' }, { code: 'not-a-histogram' }],
    });
  });
});
