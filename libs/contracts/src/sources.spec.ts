import { describe, expect, it } from 'vitest';
import { Manifest } from './manifests.js';

const faults = (type: string, source: unknown): readonly string[] => {
  const range = type === 'mean' ? { range: [0, 1] } : {};
  const spec = { type, title: 'errors', source, ...range };
  const manifest = { apiVersion: 'headgate.dev/v1', kind: 'Signal', metadata: { name: 'errors' }, spec };
  return (Manifest.safeParse(manifest).error?.issues ?? []).map(({ path, message }) => `/${path.join('/')} ${message}`);
};
const requests = { metric: 'http.requests' };
const bad = { metric: 'http.requests', where: { status: ['500', '503'] } };
const values = { metric: 'http.latency' };

describe('the source of a signal', () => {
  it.each([
    ['rate', { type: 'otlp', requests, bad }],
    ['rate', { type: 'otlp', builtIn: 'refusals' }],
    ['distribution', { type: 'otlp', values, scale: 1_000 }],
    ['mean', { type: 'otlp', values }],
    ['distribution', { type: 'otlp', builtIn: 'time-to-first-token' }],
  ])('of a %s may be %j', (type, source) => {
    expect(faults(type, source)).toEqual([]);
  });

  it.each([
    ['rate', { type: 'otlp', requests }, /^\/spec\/source\/bad a rate needs the metric of the bad requests/],
    ['rate', { type: 'otlp' }, /^\/spec\/source\/requests a rate needs the metric of all requests/],
    ['rate', { type: 'otlp', requests, bad, values }, /^\/spec\/source\/values values is for signals of type mean/],
    ['distribution', { type: 'otlp' }, /^\/spec\/source\/values a distribution needs the metric of the values/],
    ['mean', { type: 'otlp', values, bad }, /^\/spec\/source\/bad bad is for signals of type rate/],
    [
      'rate',
      { type: 'otlp', builtIn: 'errors', requests },
      /^\/spec\/source\/builtIn builtIn names the metrics itself/,
    ],
    ['rate', { type: 'otlp', builtIn: 'latency' }, /^\/spec\/source\/builtIn latency measures values/],
    ['distribution', { type: 'otlp', builtIn: 'errors' }, /^\/spec\/source\/builtIn errors counts bad requests/],
    ['invariant', { type: 'otlp', builtIn: 'errors' }, /^\/spec\/source a source counts signals of type rate/],
    ['paired', { type: 'otlp', values }, /^\/spec\/source a source counts/],
  ])('of a %s as %j is refused with what is missing or does not fit', (type, source, words) => {
    expect(faults(type, source)[0]).toMatch(words);
  });

  it('of a kind that does not exist is refused', () => {
    expect(faults('rate', { type: 'carrier-pigeon' })).toHaveLength(1);
  });
});
