import { describe, expect, it } from 'vitest';
import { Manifest } from './manifests.js';
import { fieldFaults } from './words.js';

const manifest = (kind: string, spec: Record<string, unknown>) => ({
  apiVersion: 'headgate.dev/v1',
  kind,
  metadata: { name: 'metrics' },
  spec,
});

/** `/spec/source/bad: a rate needs…`, each fault with its field. */
const faults = (value: unknown): readonly string[] =>
  (Manifest.safeParse(value).error?.issues ?? [])
    .flatMap(fieldFaults)
    .map(({ path, message }) => `/${path.join('/')}: ${message}`);

const signal = (spec: Record<string, unknown>, source: Record<string, unknown>) =>
  manifest('Signal', { title: 'errors', ...spec, source });
const rate = (source: Record<string, unknown>) => signal({ type: 'rate' }, source);

const prometheus = { type: 'prometheus', from: 'metrics' };
const cloudWatch = { type: 'cloudwatch', from: 'aws', target: 'bedrock-us', models: { haiku: 'id' } };
const monitoring = { type: 'cloud-monitoring', from: 'google', target: 'vertex-us', models: { haiku: 'id' } };

describe('signals that are asked of a source', () => {
  it('of Prometheus are asked every 15 s, 15 s later, by two queries', () => {
    expect(Manifest.parse(rate({ ...prometheus, requests: 'a', bad: 'b' }))).toMatchObject({
      spec: { source: { every: 15_000, delay: 15_000, scale: 1, labels: {} } },
    });
  });

  it('of a platform are asked every minute, as late as it needs to know', () => {
    expect(Manifest.parse(rate({ ...cloudWatch, builtIn: 'errors' }))).toMatchObject({
      spec: { source: { every: 60_000, delay: 120_000 } },
    });
    expect(Manifest.parse(rate({ ...monitoring, builtIn: 'errors' }))).toMatchObject({
      spec: { source: { every: 60_000, delay: 180_000 } },
    });
  });

  it.each([
    ['a rate without bad ones', rate({ ...prometheus, requests: 'a' }), '/spec/source/bad: a rate needs'],
    ['a rate without requests', rate({ ...prometheus, bad: 'a' }), '/spec/source/requests: a rate needs'],
    ['values of a rate', rate({ ...cloudWatch, builtIn: 'latency' }), '/spec/source/builtIn: a rate has no values'],
    [
      'a distribution without values',
      signal({ type: 'distribution' }, prometheus),
      '/spec/source/values: a distribution needs',
    ],
    [
      'a distribution of CloudWatch',
      signal({ type: 'distribution' }, { ...cloudWatch, builtIn: 'latency' }),
      '/spec/source/type: CloudWatch knows averages only',
    ],
    [
      'a mean of what is a rate',
      signal({ type: 'mean', range: [0, 1] }, { ...cloudWatch, builtIn: 'errors' }),
      '/spec/source/builtIn: errors is a rate',
    ],
    [
      'a paired signal',
      signal({ type: 'paired' }, { ...cloudWatch, builtIn: 'errors' }),
      '/spec/source: a source counts',
    ],
    [
      'what is built in and own metrics',
      rate({ ...cloudWatch, builtIn: 'errors', bad: { namespace: 'a', metric: 'b' } }),
      '/spec/source/builtIn: leave',
    ],
    ['no model', rate({ ...cloudWatch, models: {}, builtIn: 'errors' }), '/spec/source/models: name at least one'],
    [
      'models and arms',
      rate({ ...cloudWatch, builtIn: 'errors', arms: { router: { r2: { haiku: 'x' } } } }),
      '/spec/source/arms: name models or arms',
    ],
    [
      'an arm that is no revision',
      rate({ ...cloudWatch, models: undefined, builtIn: 'errors', arms: { router: { blue: { haiku: 'x' } } } }),
      '/spec/source/arms/router/blue: write a revision such as r2',
    ],
    [
      'a minute and a half',
      rate({ ...cloudWatch, builtIn: 'errors', every: '90s' }),
      '/spec/source/every: write whole minutes',
    ],
    [
      'parts of seconds',
      rate({ ...prometheus, requests: 'a', bad: 'b', every: '5500ms' }),
      '/spec/source/every: write whole seconds',
    ],
  ])('%s is refused at its field', (_, value, words) => {
    expect(faults(value)).toEqual([expect.stringContaining(words)]);
  });
});

describe('sources', () => {
  const at = (spec: Record<string, unknown>) =>
    manifest('Source', { type: 'prometheus', url: 'https://p.example.com', ...spec });

  it.each([
    ['Prometheus', at({ bearerTokenEnv: 'HEADGATE_SOURCE_TOKEN', headers: { 'X-Scope-OrgID': 'a' } })],
    ['CloudWatch', manifest('Source', { type: 'cloudwatch', region: 'us-gov-west-1', profile: 'metrics' })],
    ['Cloud Monitoring', manifest('Source', { type: 'cloud-monitoring', project: 'acme-1' })],
    [
      'Cloud Monitoring at a private address of Google',
      manifest('Source', {
        type: 'cloud-monitoring',
        project: 'acme-1',
        endpoint: 'https://monitoring-x.p.googleapis.com',
      }),
    ],
  ])('%s is registered without a secret', (_, value) => {
    expect(faults(value)).toEqual([]);
  });

  it.each([
    [
      'a variable of something else',
      at({ bearerTokenEnv: 'DATABASE_URL' }),
      '/spec/bearerTokenEnv: name an environment variable',
    ],
    ['a password in the URL', at({ url: 'https://me:secret@p.example.com' }), '/spec/url: leave user and password out'],
    ['another protocol', at({ url: 'file:///etc/passwd' }), '/spec/url:'],
    [
      'a header with a secret',
      at({ headers: { 'X-Api-Key': 'k' } }),
      '/spec/headers/X-Api-Key: this header holds a secret',
    ],
    ['a header that ends another', at({ headers: { 'a\r\nb': 'k' } }), 'write the name of a header'],
    [
      'two ways in',
      at({
        bearerTokenEnv: 'HEADGATE_SOURCE_A',
        basicAuth: { usernameEnv: 'HEADGATE_SOURCE_B', passwordEnv: 'HEADGATE_SOURCE_C' },
      }),
      '/spec/basicAuth: name a bearer token or basicAuth',
    ],
    [
      'credentials of Google for somebody else',
      manifest('Source', {
        type: 'cloud-monitoring',
        project: 'acme-1',
        endpoint: 'https://googleapis.com.example.com',
      }),
      '/spec/endpoint: Google',
    ],
    [
      'credentials of Google without encryption',
      manifest('Source', { type: 'cloud-monitoring', project: 'acme-1', endpoint: 'http://monitoring.googleapis.com' }),
      '/spec/endpoint: Google',
    ],
  ])('%s is refused at its field', (_, value, words) => {
    expect(faults(value)).toEqual([expect.stringContaining(words)]);
  });
});
