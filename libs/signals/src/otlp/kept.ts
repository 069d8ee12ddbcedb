import type { Fault } from '../place-faults.js';
import {
  bucketsOfExponential,
  bucketsOfHistogram,
  exponentialFault,
  exponentialIncrease,
  histogramFault,
  type Bucket,
} from './buckets.js';
import type { Point } from './model.js';
import { hashOf } from './selections.js';

/** Which signals own a series: the place of their list in `State.owners`. When it was last seen, in epoch seconds. */
type Head = readonly [key: string, kind: string, owners: number, seenS: number];
/** Of deltas: which of the last times were counted. Bit i of `mask` is the time i before the one numbered `at`. */
export type Delta = readonly [...Head, at: number, mask: number] & { readonly 1: 'd' };
/** Of cumulative points: the last one. A number, or of a histogram only its count, where nobody wants its values. */
export type Total = readonly [...Head, start: number, time: number, value: number] & { readonly 1: 'n' };
type Shape = readonly [...Head, start: number, time: number, bounds: string, counts: readonly number[]] & {
  readonly 1: 'h';
};
type Growing = readonly [
  ...Head,
  start: number,
  time: number,
  scale: number,
  zeroCount: number,
  offset: number,
  counts: readonly number[],
] & { readonly 1: 'e' };
export type Last = Total | Shape | Growing;
export type Kept = Delta | Last;

/** What is kept of a resource, as JSON: lists rather than objects, as there may be thousands of series. */
export type State = {
  readonly version: 1;
  /** Signals by number, each with the time since which the resource is watched for it. */
  readonly signals: readonly (readonly [signal: string, since: number])[];
  /** Lists of numbers of signals. */
  readonly owners: readonly (readonly number[])[];
  /** The last times at which deltas were counted, in order of arrival; `next`: the number of the one to come. */
  readonly times: readonly number[];
  readonly next: number;
  /** Times up to here that are not among the last cannot be told from repetitions. */
  readonly floor: number;
  readonly series: readonly Kept[];
  /** Bad requests whose requests have not come yet: place → how many, since when (epoch ms). */
  readonly owed: Readonly<Record<string, readonly [bad: number, sinceMs: number]>>;
};

const EMPTY: State = { version: 1, signals: [], owners: [], times: [], next: 0, floor: 0, series: [], owed: {} };

/** What nobody can read any more is begun anew. */
export const stateOf = (kept: unknown): State => {
  const isState = typeof kept === 'object' && kept !== null && 'version' in kept && kept.version === 1;
  return isState ? (kept as State) : EMPTY;
};

const NO_BUCKETS: readonly Bucket[] = [];

export const countOf = (point: Point): number => {
  if (point.kind === 'number') return point.value;
  return point.kind === 'other' ? 0 : point.count;
};

export const bucketsOf = (point: Point, wantsValues: boolean): readonly Bucket[] => {
  if (!wantsValues) return NO_BUCKETS;
  if (point.kind === 'histogram') return bucketsOfHistogram(point.bounds, point.counts);
  return point.kind === 'exponential' ? bucketsOfExponential(point) : NO_BUCKETS;
};

/** What is kept of a cumulative point until the next one. */
export const lastOf = (key: string, owners: number, seenS: number, point: Point, wantsValues: boolean): Last => {
  const { start, time } = point;
  if (wantsValues && point.kind === 'histogram')
    return [key, 'h', owners, seenS, start, time, hashOf(point.bounds), point.counts];
  if (wantsValues && point.kind === 'exponential') {
    const { scale, zeroCount, offset, counts } = point;
    return [key, 'e', owners, seenS, start, time, scale, zeroCount, offset, counts];
  }
  return [key, 'n', owners, seenS, start, time, countOf(point)];
};

/** Whether two of them can be compared at all. */
export const isSame = (known: Last, now: Last): boolean =>
  known[1] === now[1] && (known[1] !== 'h' || known[6] === now[6]);

const exponentialOf = ([, , , , , , scale, zeroCount, offset, counts]: Growing) => ({
  scale,
  zeroCount,
  offset,
  counts,
});

const sumOf = (counts: readonly number[], from = 0): number => counts.reduce((sum, count) => sum + count, from);

/** What came between two points; undefined where something became less, or where the bounds are others. */
export const increaseOf = (
  known: Last,
  now: Last,
  point: Point,
): { readonly count: number; readonly buckets: readonly Bucket[] } | undefined => {
  if (known[1] === 'n' && now[1] === 'n')
    return now[6] < known[6] ? undefined : { count: now[6] - known[6], buckets: NO_BUCKETS };
  if (known[1] === 'h' && now[1] === 'h' && point.kind === 'histogram') {
    const added = now[7].map((count, index) => count - (known[7][index] ?? 0));
    if (known[6] !== now[6] || added.some((count) => count < 0)) return undefined;
    return { count: sumOf(added), buckets: bucketsOfHistogram(point.bounds, added) };
  }
  if (known[1] !== 'e' || now[1] !== 'e') return undefined;
  const increase = exponentialIncrease(exponentialOf(known), exponentialOf(now));
  if (increase === undefined) return undefined;
  return { count: sumOf(increase.counts, increase.zeroCount), buckets: bucketsOfExponential(increase) };
};

const refuse = (code: string, detail: string): Fault => ({ code, detail });

/** Counts that are below zero or no whole numbers. */
const countFault = (count: number): Fault | undefined =>
  Number.isSafeInteger(count) && count >= 0
    ? undefined
    : refuse('not-a-count', `${count} is no number of requests: counts are whole and not below 0.`);

/** Why a point can be counted by nobody; undefined where it can. */
export const shapeFault = (point: Point, wantsValues: boolean): Fault | undefined => {
  if (!(point.time > 0) || point.start > point.time)
    return refuse('wrong-window', 'Its time is missing, or before its start.');
  if (point.kind === 'other' || (wantsValues && point.kind === 'number'))
    return refuse('not-a-histogram', 'Values come as histograms, and this is none.');
  if (point.kind === 'number') return countFault(point.value);
  if (!wantsValues) return countFault(point.count);
  const fault = point.kind === 'histogram' ? histogramFault(point) : exponentialFault(point);
  return fault === undefined ? undefined : refuse('wrong-buckets', `The histogram cannot be read: ${fault}.`);
};
