import {
  bucketsOfExponential,
  bucketsOfHistogram,
  exponentialFault,
  exponentialIncrease,
  histogramFault,
  type Bucket,
} from './buckets.js';
import { hashOf, type Series } from './selections.js';
import type { ExponentialPoint, HistogramPoint, Metric, NumberPoint, Point } from './model.js';
import type { Fault } from '../place-faults.js';

/** What came on one series. Times in whole microseconds. */
export type Increase = {
  /** For which of the signals that select it. */
  readonly signals: readonly string[];
  readonly from: number;
  readonly until: number;
  readonly count: number;
  /** Of histograms of which values are wanted. */
  readonly buckets: readonly Bucket[];
};

type Owners = readonly number[];
type Head = readonly [owners: Owners, seenS: number];
/** Delta: which of the last times were counted. Bit i of `mask`: the time i before the one numbered `at`. */
type Delta = readonly ['d', ...Head, at: number, mask: number];
/** Cumulative: the last point. */
type Total = readonly ['n', ...Head, start: number, time: number, value: number];
type Shape = readonly ['h', ...Head, start: number, time: number, bounds: string, counts: readonly number[]];
type Growing = readonly [
  'e',
  ...Head,
  start: number,
  time: number,
  scale: number,
  zeroCount: number,
  offset: number,
  counts: readonly number[],
];
type Kept = Delta | Total | Shape | Growing;

/** What is kept of a resource, as JSON. */
type State = {
  readonly version: 1;
  /** Signals by their numbers as owners of series, each with the time since which the resource is watched for it. */
  readonly signals: readonly (readonly [signal: string, since: number])[];
  /** The last times at which deltas were counted, in order of arrival; `next`: the number of the one to come. */
  readonly times: readonly number[];
  readonly next: number;
  /** Times up to here that are not among the last cannot be told from repetitions. */
  readonly floor: number;
  readonly series: Readonly<Record<string, Kept>>;
  /** Bad requests whose requests have not come yet: place → how many, since when (epoch ms). */
  readonly owed: Readonly<Record<string, readonly [bad: number, sinceMs: number]>>;
};

/** Series of one signal in one resource. */
export const MOST_SERIES = 2_000;
/** Distinct times of deltas that are told apart; as many as bits are in a mask. */
const TIMES = 32;
const HOUR_S = 3_600;

const EMPTY: State = { version: 1, signals: [], times: [], next: 0, floor: 0, series: {}, owed: {} };

const refuse = (code: string, detail: string): Fault => ({ code, detail });
const NOTHING = 'nothing' as const;
/** `nothing`: taken, and it adds nothing. */
export type Taken = Increase | Fault | typeof NOTHING;

const stateOf = (kept: unknown): State => {
  const isState = typeof kept === 'object' && kept !== null && 'version' in kept && kept.version === 1;
  return isState ? (kept as State) : EMPTY;
};

/**
 * What was seen of one resource, and what newer points add to it. Points are taken one after another: how they were
 * divided into requests makes no difference.
 */
export class Book {
  readonly #series: Map<string, Kept>;
  readonly #since: number[];
  readonly #signals: string[];
  readonly #numbers: Map<string, number>;
  readonly #sizes: number[];
  readonly #times: number[];
  readonly owed: Map<string, readonly [bad: number, sinceMs: number]>;
  readonly #nowS: number;
  #next: number;
  #floor: number;

  /** `now` in epoch milliseconds. Series that were not seen for an hour are forgotten. */
  constructor(kept: unknown, now: number) {
    const state = stateOf(kept);
    this.#nowS = Math.floor(now / 1_000);
    this.#signals = state.signals.map(([signal]) => signal);
    this.#since = state.signals.map(([, since]) => since);
    this.#numbers = new Map(this.#signals.map((signal, number) => [signal, number]));
    this.#sizes = this.#signals.map(() => 0);
    this.#times = [...state.times];
    this.#next = state.next;
    this.#floor = state.floor;
    this.owed = new Map(Object.entries(state.owed).filter(([, [, sinceMs]]) => sinceMs > now - HOUR_S * 1_000));
    this.#series = new Map();
    for (const [key, series] of Object.entries(state.series)) this.#open(key, series);
  }

  close(): State {
    return {
      version: 1,
      signals: this.#signals.map((signal, number) => [signal, this.#since[number] ?? 0]),
      times: this.#times,
      next: this.#next,
      floor: this.#floor,
      series: Object.fromEntries(this.#series),
      owed: Object.fromEntries(this.owed),
    };
  }

  /** What a point adds, and to which of the signals that select its series. */
  take(series: Series, metric: Pick<Metric, 'temporality'>, point: Point, wantsValues: boolean): Taken {
    const fault = shapeFault(point, wantsValues);
    if (fault !== undefined) return fault;
    const known = this.#series.get(series.key);
    const owners = this.#admit(series, known?.[1] ?? [], point.time);
    if (owners.length === 0) return tooManyFault();
    if (metric.temporality === 'delta') return this.#takeDelta(series.key, known, owners, point, wantsValues);
    const now = keptOf([owners, this.#nowS], point, wantsValues);
    return this.#takeTotal(series.key, known, now, point, wantsValues);
  }

  /** Numbers of the signals that have room for the series, or have it already. A signal is watched from its first point on. */
  #admit({ matches }: Series, owners: Owners, time: number): Owners {
    let admitted = owners;
    for (const { signal } of matches) {
      const number = this.#numberOf(signal, time);
      if (admitted.includes(number)) continue;
      if ((this.#sizes[number] ?? 0) < MOST_SERIES) admitted = [...admitted, number];
      // What it counts meanwhile is not known when there is room again.
      else this.#since[number] = Math.max(this.#since[number] ?? 0, time);
    }
    return admitted;
  }

  #namesOf(owners: Owners): readonly string[] {
    return owners.flatMap((number) => this.#signals[number] ?? []);
  }

  /** Signals that were watched already when the series began: all that it has counted is new to them. */
  #watching(owners: Owners, start: number): readonly string[] {
    return this.#namesOf(owners.filter((number) => start > (this.#since[number] ?? Infinity)));
  }

  #takeDelta(key: string, known: Kept | undefined, owners: Owners, point: Point, wantsValues: boolean): Taken {
    const place = this.#placeOf(point.time);
    if (place === undefined) return tooLateFault();
    const delta = known?.[0] === 'd' ? known : undefined;
    const shift = place.at - (delta?.[3] ?? place.at);
    const before = delta === undefined || shift >= TIMES ? 0 : delta[4] << shift;
    const bit = 1 << (place.at - place.number);
    this.#keep(key, known, ['d', owners, this.#nowS, place.at, (before | bit) >>> 0]);
    return (before & bit) !== 0 ? NOTHING : { ...wholeOf(point, wantsValues), signals: this.#namesOf(owners) };
  }

  #takeTotal(
    key: string,
    known: Kept | undefined,
    now: Total | Shape | Growing,
    point: Point,
    wantsValues: boolean,
  ): Taken {
    const { start, time } = point;
    const signals = this.#namesOf(now[1]);
    if (known === undefined) {
      this.#keep(key, known, now);
      return { ...wholeOf(point, wantsValues), signals: this.#watching(now[1], start) };
    }
    if (known[0] !== now[0]) {
      this.#keep(key, known, now);
      return NOTHING;
    }
    const last = { start: known[3], time: known[4] };
    // A repetition, or one that newer points have gone beyond.
    if (time <= last.time) return NOTHING;
    this.#keep(key, known, now);
    if (start !== last.start) return start >= last.time ? { ...wholeOf(point, wantsValues), signals } : sharedFault();
    const increase = increaseOf(known, now, point);
    if (increase !== undefined) return { from: last.time, until: time, ...increase, signals };
    // Without a start nothing else says that it began anew.
    return start === 0 && isSame(known, now)
      ? { ...wholeOf(point, wantsValues), from: last.time, signals }
      : fellFault();
  }

  #open(key: string, series: Kept): void {
    const [, owners, seenS] = series;
    if (seenS < this.#nowS - HOUR_S) {
      // When it comes back, what it counted until now must not be taken for new.
      const until = series[0] === 'd' ? 0 : series[4];
      for (const owner of owners) this.#since[owner] = Math.max(this.#since[owner] ?? 0, until);
      return;
    }
    this.#series.set(key, series);
    for (const owner of owners) this.#sizes[owner] = (this.#sizes[owner] ?? 0) + 1;
  }

  #keep(key: string, known: Kept | undefined, now: Kept): void {
    for (const owner of now[1])
      if (!(known?.[1] ?? []).includes(owner)) this.#sizes[owner] = (this.#sizes[owner] ?? 0) + 1;
    this.#series.set(key, now);
  }

  #numberOf(signal: string, time: number): number {
    const known = this.#numbers.get(signal);
    if (known !== undefined) return known;
    const number = this.#signals.push(signal) - 1;
    this.#since.push(time);
    this.#sizes.push(0);
    this.#numbers.set(signal, number);
    return number;
  }

  /** The number of a time, which is a new one where it was not seen lately; undefined: that cannot be told any more. */
  #placeOf(time: number): { readonly number: number; readonly at: number } | undefined {
    const index = this.#times.lastIndexOf(time);
    if (index >= 0) return { number: this.#next - this.#times.length + index, at: this.#next - 1 };
    if (time <= this.#floor) return undefined;
    this.#times.push(time);
    if (this.#times.length > TIMES) this.#floor = Math.max(this.#floor, this.#times.shift() ?? 0);
    this.#next += 1;
    return { number: this.#next - 1, at: this.#next - 1 };
  }
}

const tooManyFault = (): Fault =>
  refuse(
    'too-many-series',
    `A resource may have ${MOST_SERIES} series of a signal: leave attributes out that make more, such as ids.`,
  );

const tooLateFault = (): Fault =>
  refuse('too-late', 'It cannot be told any more whether points of that time were counted: send them sooner.');

const sharedFault = (): Fault =>
  refuse(
    'shared-series',
    'It has begun at another time than the one before it, and not after it: several processes send one series. Give each a service.instance.id.',
  );

const fellFault = (): Fault =>
  refuse(
    'counter-fell',
    'It fell, or its buckets are others, without a new start: what came since the last is not known.',
  );

/** Counts that are below zero or no whole numbers. */
const countFault = (count: number): Fault | undefined =>
  Number.isSafeInteger(count) && count >= 0
    ? undefined
    : refuse('not-a-count', `${count} is no number of requests: counts are whole and not below 0.`);

const shapeFault = (point: Point, wantsValues: boolean): Fault | undefined => {
  const { start, time } = point;
  if (!(time > 0) || start > time) return refuse('wrong-window', 'Its time is missing, or before its start.');
  if (point.kind === 'other' || (wantsValues && point.kind === 'number'))
    return refuse('not-a-histogram', 'Values come as histograms, and this is none.');
  if (point.kind === 'number') return countFault(point.value);
  if (!wantsValues) return countFault(point.count);
  const fault = point.kind === 'histogram' ? histogramFault(point) : exponentialFault(point);
  return fault === undefined ? undefined : refuse('wrong-buckets', `The histogram cannot be read: ${fault}.`);
};

type Countable = NumberPoint | HistogramPoint | ExponentialPoint;
const isCountable = (point: Point): point is Countable => point.kind !== 'other';

const countOf = (point: Point): number => {
  if (!isCountable(point)) return 0;
  return point.kind === 'number' ? point.value : point.count;
};

const bucketsOf = (point: Point): readonly Bucket[] => {
  if (point.kind === 'histogram') return bucketsOfHistogram(point.bounds, point.counts);
  return point.kind === 'exponential' ? bucketsOfExponential(point) : [];
};

/** All that a point counts, as what came since its start. */
const wholeOf = (point: Point, wantsValues: boolean): Omit<Increase, 'signals'> => ({
  from: point.start === 0 ? point.time : point.start,
  until: point.time,
  count: countOf(point),
  buckets: wantsValues ? bucketsOf(point) : [],
});

/** What is kept of a point until the next one; of histograms whose values nobody wants only their count. */
const keptOf = (head: Head, point: Point, wantsValues: boolean): Total | Shape | Growing => {
  const { start, time } = point;
  if (wantsValues && point.kind === 'histogram') return ['h', ...head, start, time, hashOf(point.bounds), point.counts];
  if (wantsValues && point.kind === 'exponential')
    return ['e', ...head, start, time, point.scale, point.zeroCount, point.offset, point.counts];
  return ['n', ...head, start, time, countOf(point)];
};

/** Whether two of them can be compared at all. */
const isSame = (known: Kept, now: Kept): boolean =>
  known[0] === now[0] && (known[0] !== 'h' || now[0] !== 'h' || known[5] === now[5]);

const exponentialOf = ([, , , , , scale, zeroCount, offset, counts]: Growing) => ({ scale, zeroCount, offset, counts });

/** Undefined where something became less, or where the bounds are others. */
const increaseOf = (known: Kept, now: Kept, point: Point): Pick<Increase, 'count' | 'buckets'> | undefined => {
  if (known[0] === 'n' && now[0] === 'n')
    return now[5] < known[5] ? undefined : { count: now[5] - known[5], buckets: [] };
  if (known[0] === 'h' && now[0] === 'h' && point.kind === 'histogram') {
    const added = now[6].map((count, index) => count - (known[6][index] ?? 0));
    if (known[5] !== now[5] || added.some((count) => count < 0)) return undefined;
    return { count: added.reduce((sum, count) => sum + count, 0), buckets: bucketsOfHistogram(point.bounds, added) };
  }
  if (known[0] !== 'e' || now[0] !== 'e') return undefined;
  const increase = exponentialIncrease(exponentialOf(known), exponentialOf(now));
  if (increase === undefined) return undefined;
  const count = increase.counts.reduce((sum, each) => sum + each, increase.zeroCount);
  return { count, buckets: bucketsOfExponential(increase) };
};
