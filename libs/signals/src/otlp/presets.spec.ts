import { BuiltIn } from '#libs/contracts';
import { describe, expect, it } from 'vitest';
import { NOON } from '../spec-kit.js';
import { Selections } from './selections.js';
import { counterPoint, Exporter, histogramPoint, ON_CANDIDATE, sourceOf } from './spec-kit.js';

const RATES = ['errors', 'refusals', 'truncations', 'ended-turns', 'tool-calls', 'stop-sequences'];
const DURATION = 'gen_ai.client.operation.duration';
const times = { start: (NOON - 20_000) * 1_000, time: (NOON - 10_000) * 1_000 };

const exporterOf = (builtIn: BuiltIn): Exporter => {
  const isRate = RATES.includes(builtIn);
  return new Exporter(
    new Selections([sourceOf(isRate ? 'timeouts' : 'duration', isRate ? 'rate' : 'distribution', { builtIn })]),
  );
};
const point = (
  metric: string,
  attributes: Readonly<Record<string, string | readonly string[]>> = {},
  counts = [1, 0, 0, 0],
) => histogramPoint(counts, times, { metric, temporality: 'delta', attributes: { ...ON_CANDIDATE, ...attributes } });

describe('what the conventions for generative AI count', () => {
  it.each([
    ['errors', { 'error.type': 'overloaded' }, { 'gen_ai.response.finish_reasons': 'refusal' }],
    ['refusals', { 'gen_ai.response.finish_reasons': ['end_turn', 'refusal'] }, { 'error.type': 'overloaded' }],
    ['refusals', { 'anthropic.message.stop_reason': 'refusal' }, { 'anthropic.message.stop_reason': 'end_turn' }],
    ['truncations', { 'gen_ai.response.finish_reasons': ['length'] }, { 'gen_ai.response.finish_reasons': ['stop'] }],
    ['truncations', { 'anthropic.message.stop_reason': 'max_tokens' }, { 'anthropic.message.stop_reason': 'tool_use' }],
    ['ended-turns', { 'gen_ai.response.finish_reasons': ['stop'] }, { 'anthropic.message.stop_reason': 'refusal' }],
    ['tool-calls', { 'anthropic.message.stop_reason': 'tool_use' }, { 'anthropic.message.stop_reason': 'end_turn' }],
    [
      'stop-sequences',
      { 'anthropic.message.stop_reason': 'stop_sequence' },
      { 'gen_ai.response.finish_reasons': ['stop'] },
    ],
  ] as const)('%s are requests with %j, not those with %j', (builtIn, bad, good) => {
    for (const metric of [DURATION, 'gen_ai.server.request.duration']) {
      const exporter = exporterOf(builtIn);
      exporter.send([point(metric, bad), point(metric, good), point(metric)], NOON);
      expect(exporter.totals()).toEqual({ 'timeouts r2': [3, 1] });
    }
  });

  it('counts an answer once that says in both spellings why it ended', () => {
    const exporter = exporterOf('refusals');
    const both = { 'gen_ai.response.finish_reasons': ['refusal'], 'anthropic.message.stop_reason': 'refusal' };
    exporter.send([point(DURATION, both)], NOON);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [1, 1] });
  });

  it.each([
    ['latency', DURATION],
    ['latency', 'gen_ai.server.request.duration'],
    ['time-to-first-token', 'gen_ai.server.time_to_first_token'],
    ['time-to-first-token', 'gen_ai.client.operation.time_to_first_chunk'],
    ['time-per-output-token', 'gen_ai.server.time_per_output_token'],
    ['time-per-output-token', 'gen_ai.client.operation.time_per_output_chunk'],
  ] as const)('%s is %s', (builtIn, metric) => {
    const exporter = exporterOf(builtIn);
    exporter.send([point(metric)], NOON);
    expect(exporter.totals()).toEqual({ 'duration r2': [[100, 1]] });
  });

  it('output tokens are those of the usage that are of the output', () => {
    const exporter = exporterOf('output-tokens');
    const usage = 'gen_ai.client.token.usage';
    exporter.send(
      [point(usage, { 'gen_ai.token.type': 'output' }), point(usage, { 'gen_ai.token.type': 'input' })],
      NOON,
    );
    expect(exporter.totals()).toEqual({ 'duration r2': [[100, 1]] });
  });

  it('every one of them selects something', () => {
    for (const builtIn of BuiltIn.options) {
      const exporter = exporterOf(builtIn);
      exporter.send([point(DURATION), counterPoint(1, times, { metric: 'unasked' })], NOON);
      expect(exporter.selections.wants(builtIn === 'output-tokens' ? 'gen_ai.client.token.usage' : DURATION)).toBe(
        !['time-to-first-token', 'time-per-output-token'].includes(builtIn),
      );
    }
  });
});

describe('the attributes that a source asks for', () => {
  const counts = (where: Record<string, string | string[]>, attributes: Readonly<Record<string, string>>): boolean => {
    const metrics = { requests: { metric: 'requests', where }, bad: { metric: 'bad' } };
    const exporter = new Exporter(new Selections([sourceOf('timeouts', 'rate', metrics)]), { region: 'us' });
    const of = { attributes: { ...ON_CANDIDATE, ...attributes }, temporality: 'delta' } as const;
    exporter.send([counterPoint(1, times, of)], NOON);
    return exporter.counted.length > 0;
  };

  it.each([
    ['one value', { status: '500' }, { status: '500' }, true],
    ['another value', { status: '500' }, { status: '200' }, false],
    ['one of several', { status: ['500', '503'] }, { status: '503' }, true],
    ['any value', { 'error.type': '*' }, { 'error.type': 'timeout' }, true],
    ['any value where there is none', { 'error.type': '*' }, {}, false],
    ['an attribute of the resource', { region: 'us' }, {}, true],
    ['all of them', { region: 'us', status: '500' }, {}, false],
  ])('may be %s', (_, where, attributes, expected) => {
    expect(counts(where as Record<string, string | string[]>, attributes as Readonly<Record<string, string>>)).toBe(
      expected,
    );
  });
});
