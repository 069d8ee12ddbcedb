import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NOON } from '../spec-kit.js';
import { MOST_SERIES } from './book.js';
import { Selections } from './selections.js';
import {
  counterPoint,
  Exporter,
  exponentialPoint,
  histogramPoint,
  ON_CANDIDATE,
  sourceOf,
  SOURCES,
  type SentPoint,
} from './spec-kit.js';

/** Noon in microseconds, and minutes of them before it. */
const at = (minutes: number): number => (NOON + minutes * 60_000) * 1_000;
const BEGIN = at(-60);
const sent = (...requests: (readonly SentPoint[])[]): Exporter => {
  const exporter = new Exporter();
  for (const points of requests) exporter.send(points, NOON);
  return exporter;
};
const cumulative = (value: number, minutes: number, start = BEGIN) => counterPoint(value, { start, time: at(minutes) });
const delta = (value: number, minutes: number) =>
  counterPoint(value, { start: at(minutes - 1), time: at(minutes) }, { temporality: 'delta' });

describe('a cumulative series', () => {
  it('counts what is new since its last point, and nothing at first', () => {
    expect(sent([cumulative(100, -3)]).totals()).toEqual({});
    const exporter = sent([cumulative(100, -3)], [cumulative(130, -2)], [cumulative(130, -1)]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [30, 0] });
    expect(exporter.counted.map(({ from, until }) => [from, until])).toEqual([
      [NOON - 180_000, NOON - 120_000],
      [NOON - 120_000, NOON - 60_000],
    ]);
  });

  it('that began after its resource was first seen counts as a whole: all of it is new', () => {
    const late = counterPoint(
      7,
      { start: at(-2.5), time: at(-2) },
      { attributes: { ...ON_CANDIDATE, outcome: 'timeout' } },
    );
    const exporter = sent([cumulative(100, -3)], [cumulative(130, -2), late]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [37, 7] });
  });

  it('counts from its new start where its process has begun anew', () => {
    const exporter = sent([cumulative(100, -3)], [cumulative(40, -2, at(-2.5))], [cumulative(45, -1, at(-2.5))]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [45, 0] });
  });

  it('that fell counts from zero where it names no start, and is refused where its start says that it went on', () => {
    expect(sent([cumulative(100, -3, 0)], [cumulative(40, -2, 0)]).totals()).toEqual({ 'timeouts r2': [40, 0] });
    const exporter = sent([cumulative(100, -3)], [cumulative(40, -2)], [cumulative(45, -1)]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [5, 0] });
    expect(exporter.refused).toEqual([expect.stringContaining('(counter-fell)')]);
  });

  it('that two processes send as one is refused and counts nothing, with the remedy', () => {
    const one = (value: number, minutes: number) => cumulative(value, minutes, at(-50));
    const other = (value: number, minutes: number) => cumulative(value, minutes, at(-40));
    const exporter = sent([one(1_000, -4)], [other(10, -3)], [one(1_001, -2)], [other(11, -1)]);
    expect(exporter.totals()).toEqual({});
    expect(exporter.refused).toHaveLength(3);
    expect(exporter.refused[0]).toMatch(/Give each a service.instance.id. \(shared-series\)/);
  });

  it('is forgotten when it was not seen for an hour, and what it counted meanwhile is not taken for new', () => {
    const exporter = new Exporter();
    exporter.send([counterPoint(1, { start: at(-500), time: at(-300) })], NOON - 300 * 60_000);
    const late = (value: number, minutes: number) =>
      counterPoint(value, { start: at(-290), time: at(minutes) }, { attributes: { ...ON_CANDIDATE, outcome: 'ok' } });
    exporter.send([late(5, -280)], NOON - 280 * 60_000);
    exporter.send([late(50, -1)], NOON - 60_000);
    exporter.send([late(53, 0)], NOON);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [8, 0] });
  });
});

describe('a series of deltas', () => {
  it('counts each point once, repeated or late', () => {
    const exporter = sent([delta(5, -3)], [delta(7, -1)], [delta(6, -2), delta(7, -1)], [delta(5, -3)]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [18, 0] });
    expect(exporter.refused).toEqual([]);
  });

  it('refuses points that are so late that nobody can tell whether they were counted', () => {
    const exporter = sent(...Array.from({ length: 40 }, (_, n) => [delta(1, n - 40)]), [delta(1, -50)]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [40, 0] });
    expect(exporter.refused).toEqual([expect.stringContaining('(too-late)')]);
  });

  it('goes on from a cumulative one without counting anything twice', () => {
    const exporter = sent([cumulative(100, -4)], [cumulative(110, -3)], [delta(6, -2)], [cumulative(116, -1)]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [16, 0] });
  });
});

describe('histograms', () => {
  it('give each bucket the geometric mean of its bounds, and open ends the finite one', () => {
    const exporter = sent(
      [histogramPoint([0, 0, 0, 0], { start: BEGIN, time: at(-3) })],
      [histogramPoint([1, 2, 3, 4], { start: BEGIN, time: at(-2) })],
    );
    expect(exporter.totals()).toEqual({
      'duration r2': [
        [100, 1],
        [expect.closeTo(Math.sqrt(20_000), 6), 2],
        [expect.closeTo(Math.sqrt(80_000), 6), 3],
        [400, 4],
      ],
    });
  });

  it('of means give the arithmetic mean, and are scaled', () => {
    const selections = new Selections([sourceOf('duration', 'mean', { values: { metric: 'duration' }, scale: 10 })]);
    const exporter = new Exporter(selections);
    const options = { temporality: 'delta' } as const;
    exporter.send([histogramPoint([0, 2, 0, 0], { start: at(-2), time: at(-1) }, options)], NOON);
    expect(exporter.totals()).toEqual({ 'duration r2': [[1_500, 2]] });
  });

  it('with other bounds than before begin anew', () => {
    const point = (counts: number[], minutes: number, bounds?: number[]) =>
      histogramPoint(counts, { start: BEGIN, time: at(minutes) }, bounds ? { bounds } : {});
    const exporter = sent([point([1, 1, 1, 1], -4)], [point([5, 5], -3, [100])], [point([6, 5], -2, [100])]);
    expect(exporter.totals()).toEqual({ 'duration r2': [[100, 1]] });
  });

  it('that grow by a factor are compared at the coarser of two scales', () => {
    const point = (counts: number[], minutes: number, more: { scale: number; offset: number; zeroCount?: number }) =>
      exponentialPoint(counts, { start: BEGIN, time: at(minutes) }, more);
    const exporter = sent(
      // At scale 1 buckets grow by the root of 2: 4 to 5.7 and 5.7 to 8; at scale 0 both are 4 to 8.
      [point([1, 2], -3, { scale: 1, offset: 4, zeroCount: 1 })],
      [point([4, 5], -2, { scale: 0, offset: 2, zeroCount: 3 })],
    );
    const between = (low: number, high: number) => expect.closeTo(Math.sqrt(low * high), 6) as number;
    expect(exporter.totals()).toEqual({
      'duration r2': [
        [0, 2],
        [between(4, 8), 1],
        [between(8, 16), 5],
      ],
    });
  });

  it('count requests as well, whatever their values', () => {
    const selections = new Selections([
      sourceOf('timeouts', 'rate', {
        requests: { metric: 'duration' },
        bad: { metric: 'duration', where: { 'error.type': '*' } },
      }),
    ]);
    const failed = { attributes: { ...ON_CANDIDATE, 'error.type': 'timeout' }, temporality: 'delta' } as const;
    const exporter = new Exporter(selections);
    const times = { start: at(-2), time: at(-1) };
    exporter.send(
      [histogramPoint([9, 1, 0, 0], times, { temporality: 'delta' }), histogramPoint([1, 1, 0, 0], times, failed)],
      NOON,
    );
    expect(exporter.totals()).toEqual({ 'timeouts r2': [12, 2] });
  });
});

describe('where a point belongs', () => {
  const placed = (attributes: SentPoint['attributes'], resource: SentPoint['attributes'] = {}) => {
    const exporter = new Exporter(new Selections(SOURCES), resource);
    exporter.send([counterPoint(5, { start: at(-2), time: at(-1) }, { temporality: 'delta', attributes })], NOON);
    return { ...exporter.counted[0], refused: exporter.refused[0] };
  };

  it('is said by its own attributes, or else by those of its resource', () => {
    const { 'headgate.target': target, ...rest } = ON_CANDIDATE;
    const resource = { 'headgate.target': String(target), 'gen_ai.request.model': 'sonnet' };
    expect(placed({ ...rest, 'feature_flag.version': '12', 'headgate.bucket': '3' }, resource)).toMatchObject({
      target: 'api-tpu',
      model: 'haiku',
      arm: { config: 'router', revision: 2, generation: 12 },
      bucket: 3,
    });
  });

  it('is the slice as a whole where nothing names a variant, and the only model of a target that has one', () => {
    const { arm, model } = placed({ 'headgate.target': 'bedrock-east', 'feature_flag.key': 'router' });
    expect([arm, model]).toEqual([undefined, 'haiku']);
  });

  it('may be said by other attributes, which the signal names', () => {
    const labels = { target: 'pool', model: 'm', config: 'flag', variant: 'v' };
    const selections = new Selections([sourceOf('timeouts', 'rate', { requests: { metric: 'requests' }, labels })]);
    const exporter = new Exporter(selections);
    const attributes = { pool: 'api-tpu', m: 'sonnet', flag: 'router', v: 'r1' };
    exporter.send([counterPoint(5, { time: at(-1) }, { temporality: 'delta', attributes })], NOON);
    expect(exporter.counted).toMatchObject([{ model: 'sonnet', arm: { config: 'router', revision: 1 } }]);
  });

  it.each([
    ['no target', { 'headgate.target': '' }, 'no-target'],
    ['a target that is not there', { 'headgate.target': 'mars' }, 'unknown-target'],
    ['a model that is not served', { 'gen_ai.request.model': 'opus' }, 'unknown-model'],
    ['none of several models', { 'gen_ai.request.model': '' }, 'no-model'],
    ['a variant without its config', { 'feature_flag.key': '' }, 'no-config'],
    ['a variant that is no revision', { 'feature_flag.result.variant': 'on' }, 'not-a-variant'],
    ['a revision that is not there', { 'feature_flag.result.variant': 'r9' }, 'unknown-revision'],
    ['a config that is not there', { 'feature_flag.key': 'nothing' }, 'unknown-config'],
    ['a generation that is none', { 'feature_flag.version': 'new' }, 'not-a-generation'],
    ['a bucket that is an id', { 'headgate.bucket': '4711' }, 'not-a-bucket'],
  ])('is refused where it names %s', (_, over, code) => {
    const { refused, requests } = placed({ ...ON_CANDIDATE, ...over });
    expect(refused).toContain(`(${code})`);
    expect(requests).toBeUndefined();
  });
});

describe('points of which nothing can be counted', () => {
  const times = { start: at(-2), time: at(-1) };
  it.each([
    ['a gauge', counterPoint(1, times, { kind: 'gauge' }), 'is-a-gauge'],
    ['a counter that may fall', counterPoint(1, times, { isMonotonic: false }), 'not-monotonic'],
    ['without a temporality', counterPoint(1, times, { temporality: 'unspecified' }), 'no-temporality'],
    ['below zero', counterPoint(-1, times, { temporality: 'delta' }), 'not-a-count'],
    ['a part of a request', counterPoint(1.5, times, { temporality: 'delta' }), 'not-a-count'],
    ['of more requests than anybody serves', counterPoint(1e15, times, { temporality: 'delta' }), 'too-much-at-once'],
    ['of the future', counterPoint(1, { time: at(1.1) }, { temporality: 'delta' }), 'in-the-future'],
    ['of no time', counterPoint(1, { time: 0 }, { temporality: 'delta' }), 'wrong-window'],
    ['that end before they begin', counterPoint(1, { start: at(-1), time: at(-2) }), 'wrong-window'],
    ['with too few buckets', histogramPoint([1, 1], times, { temporality: 'delta' }), 'wrong-buckets'],
    ['without buckets', histogramPoint([], times, { temporality: 'delta' }), 'wrong-buckets'],
    ['with bounds that fall', histogramPoint([1, 1, 1], times, { bounds: [2, 1] }), 'wrong-buckets'],
    ['with negative values', exponentialPoint([1], times, { hasNegative: true }), 'wrong-buckets'],
    ['a number where values are wanted', counterPoint(1, times, { metric: 'duration' }), 'not-a-histogram'],
  ])('%s: are refused, and the others are kept', (_, wrong, code) => {
    const exporter = sent([delta(5, -2), wrong]);
    expect(exporter.refused).toEqual([expect.stringMatching(new RegExp(`^1 points were refused.*\\(${code}\\)`))]);
    expect(exporter.totals()['timeouts r2']).toEqual([5, 0]);
  });

  it('of more than anybody serves leave the next ones to count on from there', () => {
    const exporter = sent([cumulative(100, -3)], [cumulative(1e15, -2)], [cumulative(1e15 + 5, -1)]);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [5, 0] });
    expect(exporter.refused).toEqual([expect.stringContaining('(too-much-at-once)')]);
  });

  it('are passed over in silence where they are gaps, or nothing asks for them', () => {
    const gap = counterPoint(9, times, { temporality: 'delta', isGap: true });
    const nan = counterPoint(Number.NaN, times, { temporality: 'delta' });
    const unasked = counterPoint(9, times, { metric: 'cpu', kind: 'gauge' });
    const exporter = sent([gap, nan, unasked]);
    expect([exporter.totals(), exporter.refused]).toEqual([{}, []]);
  });
});

describe('bad requests', () => {
  const errors = { requests: { metric: 'requests' }, bad: { metric: 'errors' } };
  const selections = () => new Selections([sourceOf('timeouts', 'rate', errors)]);
  const failed = (value: number, minutes: number) =>
    counterPoint(value, { start: at(minutes - 1), time: at(minutes) }, { metric: 'errors', temporality: 'delta' });

  it('wait for their requests where an exporter has divided them over two bodies', () => {
    const exporter = new Exporter(selections());
    exporter.send([failed(3, -2)], NOON);
    expect(exporter.counted).toEqual([]);
    exporter.send([delta(10, -2)], NOON);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [10, 3] });
  });

  it('that never had any are refused after ten minutes', () => {
    const exporter = new Exporter(selections());
    exporter.send([failed(3, -20)], NOON - 20 * 60_000);
    exporter.send([delta(10, -1)], NOON);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [10, 0] });
    expect(exporter.refused).toEqual([expect.stringContaining('(more-bad-than-requests)')]);
  });
});

describe('the state of a resource', () => {
  const numbered = (n: number, minutes: number) =>
    counterPoint(
      1,
      { start: at(minutes - 1), time: at(minutes) },
      { temporality: 'delta', attributes: { ...ON_CANDIDATE, session: `s${n}` } },
    );

  it('has room for so many series of a signal: those beyond are refused, the rest is kept', () => {
    const series = Array.from({ length: MOST_SERIES + 3 }, (_, n) => numbered(n, -2));
    const exporter = sent(
      series,
      series.map((_, n) => numbered(n, -1)),
    );
    expect(exporter.totals()).toEqual({ 'timeouts r2': [2 * MOST_SERIES, 0] });
    expect(exporter.refused).toHaveLength(2);
    expect(exporter.refused[0]).toMatch(/^3 points were refused.*\(too-many-series\)/);
    expect(JSON.stringify(exporter.state).length).toBeLessThan(200_000);
  });

  it('that nobody can read any more begins anew', () => {
    const exporter = new Exporter();
    exporter.state = { version: 99 };
    exporter.send([cumulative(5, -2)], NOON);
    exporter.send([cumulative(8, -1)], NOON);
    expect(exporter.totals()).toEqual({ 'timeouts r2': [3, 0] });
  });
});

/** Several processes' worth of cumulative series: some grow, some begin late, some begin anew. */
const stream = fc
  .record({
    series: fc.array(
      fc.record({
        outcome: fc.constantFrom('ok', 'timeout', 'refused'),
        revision: fc.constantFrom('r1', 'r2'),
        kind: fc.constantFrom('counter', 'histogram', 'exponential'),
        beginsAt: fc.nat(6),
        restartsAt: fc.option(fc.nat(12)),
        steps: fc.array(fc.array(fc.nat(20), { minLength: 4, maxLength: 4 }), { minLength: 12, maxLength: 12 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    temporality: fc.constantFrom('cumulative' as const, 'delta' as const),
  })
  .map(({ series, temporality }) => {
    const unique = new Map(series.map((each) => [`${each.outcome} ${each.revision} ${each.kind}`, each]));
    return Array.from({ length: 12 }, (_, n) => {
      const time = at(n - 12);
      return [...unique.values()].flatMap(({ outcome, revision, kind, beginsAt, restartsAt, steps }) => {
        if (n < beginsAt) return [];
        const began = restartsAt !== null && n >= restartsAt && restartsAt > beginsAt ? restartsAt : beginsAt;
        const first = temporality === 'delta' ? n : began;
        const sum = [0, 1, 2, 3].map((place) =>
          steps.slice(first, n + 1).reduce((all, step) => all + (step[place] ?? 0), 0),
        );
        const start = temporality === 'delta' ? at(n - 13) : at(began - 12) - 30_000_000;
        const attributes = { ...ON_CANDIDATE, 'feature_flag.result.variant': revision, outcome };
        const of = { attributes, temporality };
        if (kind === 'counter') return [counterPoint(sum[0] ?? 0, { start, time }, of)];
        if (kind === 'histogram') return [histogramPoint(sum, { start, time }, of)];
        return [exponentialPoint(sum, { start, time }, { ...of, attributes: { ...attributes, shape: 'growing' } })];
      });
    });
  });

describe('what a stream of points counts', () => {
  it('is the same however it is divided into requests, repeated, and handed to several controllers', () => {
    fc.assert(
      fc.property(stream, fc.infiniteStream(fc.nat(99)), (collections, chance) => {
        const draw = (): number => Number(chance.next().value);
        const plain = new Exporter();
        for (const points of collections) plain.send(points, NOON);
        const bent = new Exporter();
        const other = new Selections(SOURCES);
        const before: (readonly SentPoint[])[] = [];
        let rest = collections.flat();
        while (rest.length > 0) {
          const size = 1 + (draw() % 4);
          const request = rest.slice(0, size);
          rest = rest.slice(size);
          before.push(request);
          bent.send(request, NOON, draw() % 2 === 0 ? bent.selections : other);
          if (draw() % 3 > 0) continue;
          const again = before.slice(-8)[draw() % Math.min(before.length, 8)] ?? [];
          bent.send(again, NOON, draw() % 2 === 0 ? bent.selections : other);
        }
        const nothing = (totals: ReturnType<Exporter['totals']>) =>
          Object.fromEntries(Object.entries(totals).filter(([, sum]) => sum.some((each) => each !== 0)));
        expect(nothing(bent.totals())).toEqual(nothing(plain.totals()));
        expect([plain.refused, bent.refused]).toEqual([[], []]);
      }),
      { numRuns: 300 },
    );
  });
});
