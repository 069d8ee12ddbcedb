import type { SignalType } from '#libs/contracts';
import { SignalSource } from '#libs/contracts';
import type { z } from 'zod';
import { assessCounted } from '../assess-counted.js';
import type { Counted } from '../counted.js';
import { ToldExposures } from '../spec-kit.js';
import type { RegisteredSource } from '../signal-sources.js';
import type { Attributes, Metric, Point, SentAttributes } from './model.js';
import { Selections } from './selections.js';
import { stepOf, type SelectedPoint } from './step.js';

type Sent = Readonly<Record<string, string | readonly string[]>>;

export const sentOf = (attributes: Sent): SentAttributes => ({
  id: JSON.stringify(attributes),
  read: (): Attributes => new Map(Object.entries(attributes)),
});

/** On the candidate of the router on the API's TPUs. */
export const ON_CANDIDATE: Sent = {
  'headgate.target': 'api-tpu',
  'gen_ai.request.model': 'haiku',
  'feature_flag.key': 'router',
  'feature_flag.result.variant': 'r2',
};

export const sourceOf = (
  signal: string,
  type: SignalType,
  source: Omit<Extract<z.input<typeof SignalSource>, { readonly type: 'otlp' }>, 'type'>,
): RegisteredSource => ({ signal, type, source: SignalSource.parse({ type: 'otlp', ...source }) });

/** What specs count: requests with timeouts among them, and durations. */
export const SOURCES: readonly RegisteredSource[] = [
  sourceOf('timeouts', 'rate', {
    requests: { metric: 'requests' },
    bad: { metric: 'requests', where: { outcome: 'timeout' } },
  }),
  sourceOf('duration', 'distribution', { values: { metric: 'duration' } }),
];

export type SentPoint = { readonly metric: string; readonly attributes: Sent } & Pick<
  Metric,
  'kind' | 'temporality' | 'isMonotonic'
> & { readonly point: Omit<Point, 'attributes' | 'isGap'> & { readonly isGap?: boolean } };

/** Sends requests with points of one resource, and remembers what was counted and refused. */
export class Exporter {
  state: unknown;
  readonly counted: Counted[] = [];
  /** Why points were refused, with their number. */
  readonly refused: string[] = [];
  readonly #lookup = new ToldExposures();
  readonly #resource: Sent;

  constructor(
    readonly selections = new Selections(SOURCES),
    resource: Sent = {},
  ) {
    this.#resource = resource;
  }

  /** `now` in epoch ms. */
  send(points: readonly SentPoint[], now: number, selections = this.selections): void {
    const resource = { source: 'otlp/resource', attributes: new Map(Object.entries(this.#resource)) };
    const selected = points.flatMap((sent): readonly SelectedPoint[] => {
      const attributes = sentOf(sent.attributes);
      const series = selections.seriesOf(resource, 'scope@1', sent.metric)(attributes);
      const { metric: name, kind, temporality, isMonotonic } = sent;
      const point = { isGap: false, ...sent.point, attributes } as Point;
      return series === undefined ? [] : [{ series, metric: { name, kind, temporality, isMonotonic }, point }];
    });
    const { state, counted, result } = stepOf(this.state, selected, now, this.#lookup);
    // As it comes back from the database.
    this.state = JSON.parse(JSON.stringify(state)) as unknown;
    this.counted.push(...counted);
    for (const each of assessCounted(counted, now, this.#lookup).refused)
      result.refused.add(each.where, each, result.weights[each.index]);
    const { rejected, message } = result.refused.refusals('points');
    if (rejected > 0) this.refused.push(message);
  }

  /** Signal and arm → what was counted in all. */
  totals(): Readonly<Record<string, readonly unknown[]>> {
    const sums = new Map<string, { requests: number; bad: number; values: Map<number, number> }>();
    for (const { signal, arm, requests, bad, values = [] } of this.counted) {
      const name = `${signal} ${arm === undefined ? 'whole' : `r${arm.revision}`}`;
      const sum = sums.get(name) ?? { requests: 0, bad: 0, values: new Map<number, number>() };
      sums.set(name, sum);
      sum.requests += requests;
      sum.bad += bad;
      for (const [value, count] of values) sum.values.set(value, (sum.values.get(value) ?? 0) + count);
    }
    return Object.fromEntries(
      [...sums].map(([name, { requests, bad, values }]) => [
        name,
        name.startsWith('duration') ? [...values].toSorted(([a], [b]) => a - b) : [requests, bad],
      ]),
    );
  }
}

type Times = { readonly start?: number; readonly time: number };

/** Times in whole microseconds. */
export const counterPoint = (
  value: number,
  { start = 0, time }: Times,
  more: Partial<Omit<SentPoint, 'point'>> & { readonly isGap?: boolean } = {},
): SentPoint => {
  const { isGap = false, ...of } = more;
  return {
    metric: 'requests',
    attributes: ON_CANDIDATE,
    kind: 'sum',
    temporality: 'cumulative',
    isMonotonic: true,
    ...of,
    point: { kind: 'number', start, time, value, isGap } as SentPoint['point'],
  };
};

export const histogramPoint = (
  counts: readonly number[],
  { start = 0, time }: Times,
  more: Partial<Omit<SentPoint, 'point'>> & { readonly bounds?: readonly number[] } = {},
): SentPoint => {
  const { bounds = [100, 200, 400], ...of } = more;
  const count = counts.reduce((sum, each) => sum + each, 0);
  return {
    metric: 'duration',
    attributes: ON_CANDIDATE,
    kind: 'histogram',
    temporality: 'cumulative',
    isMonotonic: false,
    ...of,
    point: { kind: 'histogram', start, time, count, counts, bounds } as SentPoint['point'],
  };
};

export const exponentialPoint = (
  counts: readonly number[],
  { start = 0, time }: Times,
  more: Partial<Omit<SentPoint, 'point'>> & {
    readonly scale?: number;
    readonly offset?: number;
    readonly zeroCount?: number;
    readonly hasNegative?: boolean;
  } = {},
): SentPoint => {
  const { scale = 0, offset = 0, zeroCount = 0, hasNegative = false, ...of } = more;
  const count = counts.reduce((sum, each) => sum + each, zeroCount);
  return {
    metric: 'duration',
    attributes: ON_CANDIDATE,
    kind: 'exponential',
    temporality: 'cumulative',
    isMonotonic: false,
    ...of,
    point: {
      kind: 'exponential',
      start,
      time,
      count,
      counts,
      scale,
      offset,
      zeroCount,
      hasNegative,
    } as SentPoint['point'],
  };
};
