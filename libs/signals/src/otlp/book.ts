import type { Fault } from '../place-faults.js';
import type { Bucket } from './buckets.js';
import {
  bucketsOf,
  countOf,
  increaseOf,
  isSame,
  lastOf,
  shapeFault,
  stateOf,
  type Kept,
  type Last,
  type State,
} from './kept.js';
import type { Metric, Point } from './model.js';
import type { Series } from './selections.js';

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

/** Series of one signal in one resource. */
export const MOST_SERIES = 2_000;
/** Distinct times of deltas that are told apart; as many as bits are in a mask. */
const TIMES = 32;
const HOUR_S = 3_600;

const NOTHING = 'nothing' as const;
/** `nothing`: taken, and it adds nothing. */
export type Taken = Increase | Fault | typeof NOTHING;

/**
 * What was seen of one resource, and what newer points add to it. Points are taken one after another: how they were
 * divided into requests makes no difference.
 */
export class Book {
  readonly #series = new Map<string, Kept>();
  readonly #since: number[];
  readonly #signals: string[];
  readonly #numbers: Map<string, number>;
  /** Series by number of signal. */
  readonly #sizes: number[];
  readonly #owners: (readonly number[])[];
  readonly #names: (readonly string[])[];
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
    this.#owners = [...state.owners];
    this.#names = this.#owners.map((owners) => this.#namesOf(owners));
    this.#times = [...state.times];
    this.#next = state.next;
    this.#floor = state.floor;
    this.owed = new Map(Object.entries(state.owed).filter(([, [, sinceMs]]) => sinceMs > now - HOUR_S * 1_000));
    for (const series of state.series) this.#open(series);
  }

  close(): State {
    return {
      version: 1,
      signals: this.#signals.map((signal, number) => [signal, this.#since[number] ?? 0]),
      owners: this.#owners,
      times: this.#times,
      next: this.#next,
      floor: this.#floor,
      series: [...this.#series.values()],
      owed: Object.fromEntries(this.owed),
    };
  }

  /** What a point adds, and to which of the signals that select its series. */
  take(series: Series, { temporality }: Pick<Metric, 'temporality'>, point: Point, wantsValues: boolean): Taken {
    const fault = shapeFault(point, wantsValues);
    if (fault !== undefined) return fault;
    const isDelta = temporality === 'delta';
    const number = isDelta ? this.#timeNumber(point.time) : 0;
    if (number === undefined) return TOO_LATE;
    const known = this.#series.get(series.key);
    const owners = this.#admit(series, known?.[2], point.time);
    if (owners === undefined) return TOO_MANY;
    if (isDelta) {
      const isNew = this.#note(series.key, known, owners, number);
      return isNew ? this.#whole(point, owners, wantsValues) : NOTHING;
    }
    return this.#takeLast(known, lastOf(series.key, owners, this.#nowS, point, wantsValues), point, wantsValues);
  }

  /**
   * The signals that have room for the series, or have it already; undefined where none has. A signal is watched from its
   * first point on.
   */
  #admit({ matches }: Series, known: number | undefined, time: number): number | undefined {
    const before = known === undefined ? [] : (this.#owners[known] ?? []);
    let owners = before;
    for (const { signal } of matches) {
      const number = this.#numberOf(signal, time);
      if (owners.includes(number)) continue;
      const size = this.#sizes[number] ?? 0;
      if (size < MOST_SERIES) {
        this.#sizes[number] = size + 1;
        owners = [...owners, number];
      }
      // What it counts meanwhile is not known when there is room again.
      else this.#since[number] = Math.max(this.#since[number] ?? 0, time);
    }
    if (owners === before) return known;
    return this.#listOf(owners);
  }

  #listOf(owners: readonly number[]): number {
    const known = this.#owners.findIndex((list) => list.join() === owners.join());
    if (known >= 0) return known;
    this.#names.push(this.#namesOf(owners));
    return this.#owners.push(owners) - 1;
  }

  #namesOf(owners: readonly number[]): readonly string[] {
    return owners.flatMap((number) => this.#signals[number] ?? []);
  }

  /** Signals that were watched already when the series began: all that it has counted is new to them. */
  #watching(owners: number, start: number): readonly string[] {
    const watching = (this.#owners[owners] ?? []).filter((number) => start > (this.#since[number] ?? Infinity));
    return this.#namesOf(watching);
  }

  /** All that a point counts, as what came since its start or since another time. */
  #whole(
    point: Point,
    owners: number,
    wantsValues: boolean,
    from = point.start === 0 ? point.time : point.start,
  ): Increase {
    const signals = this.#names[owners] ?? [];
    return { signals, from, until: point.time, count: countOf(point), buckets: bucketsOf(point, wantsValues) };
  }

  /** Notes that a series has been counted at the time of this number; false where it was before. */
  #note(key: string, known: Kept | undefined, owners: number, number: number): boolean {
    const at = this.#next - 1;
    const isDelta = known?.[1] === 'd';
    const shift = isDelta ? at - known[4] : TIMES;
    const before = isDelta && shift < TIMES ? known[5] << shift : 0;
    const bit = 1 << (at - number);
    this.#series.set(key, [key, 'd', owners, this.#nowS, at, (before | bit) >>> 0]);
    return (before & bit) === 0;
  }

  #takeLast(known: Kept | undefined, now: Last, point: Point, wantsValues: boolean): Taken {
    const [key, kind, owners, , start, time] = now;
    if (known?.[1] !== kind) {
      this.#series.set(key, now);
      // What was known of it in another form cannot be told from what is new.
      if (known !== undefined) return NOTHING;
      return { ...this.#whole(point, owners, wantsValues), signals: this.#watching(owners, start) };
    }
    const last = known as Last;
    // A repetition, or one that newer points have gone beyond.
    if (time <= last[5]) return NOTHING;
    this.#series.set(key, now);
    if (start !== last[4]) return start >= last[5] ? this.#whole(point, owners, wantsValues) : SHARED;
    const increase = increaseOf(last, now, point);
    if (increase !== undefined) return { signals: this.#names[owners] ?? [], from: last[5], until: time, ...increase };
    // Without a start nothing else says that it began anew.
    return start === 0 && isSame(last, now) ? this.#whole(point, owners, wantsValues, last[5]) : FELL;
  }

  #open(series: Kept): void {
    const owners = this.#owners[series[2]] ?? [];
    if (series[3] < this.#nowS - HOUR_S) {
      // When it comes back, what it counted until now must not be taken for new.
      const until = series[1] === 'd' ? 0 : series[5];
      for (const owner of owners) this.#since[owner] = Math.max(this.#since[owner] ?? 0, until);
      return;
    }
    this.#series.set(series[0], series);
    for (const owner of owners) this.#sizes[owner] = (this.#sizes[owner] ?? 0) + 1;
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
  #timeNumber(time: number): number | undefined {
    const index = this.#times.lastIndexOf(time);
    if (index >= 0) return this.#next - this.#times.length + index;
    if (time <= this.#floor) return undefined;
    this.#times.push(time);
    if (this.#times.length > TIMES) this.#floor = Math.max(this.#floor, this.#times.shift() ?? 0);
    this.#next += 1;
    return this.#next - 1;
  }
}

const TOO_MANY: Fault = {
  code: 'too-many-series',
  detail: `A resource may have ${MOST_SERIES} series of a signal: leave attributes out that make more, such as ids.`,
};
const TOO_LATE: Fault = {
  code: 'too-late',
  detail: 'It cannot be told any more whether points of that time were counted: send them sooner.',
};
const SHARED: Fault = {
  code: 'shared-series',
  detail:
    'It has begun at another time than the one before it, and not after it: several processes send one series. Give each a service.instance.id.',
};
const FELL: Fault = {
  code: 'counter-fell',
  detail: 'It fell, or its buckets are others, without a new start: what came since the last is not known.',
};
