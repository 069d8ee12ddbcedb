import {
  smallestHarm,
  smallestShift,
  timeToPromote,
  timeToShowValues,
  type ExpectedBad,
  type ExpectedValues,
} from '#libs/statistics';
import { PROMOTION_ALPHA } from './judge-case.js';
import { isOfValues, type CellKey, type SignalSpec } from './types.js';

/** Traffic of one slice, both arms together, and the candidate's share of it in this stage. */
export type StageTraffic = CellKey & {
  /** Candidate share in basis points, 0..10000. */
  readonly shareBp: number;
  readonly requestsPerSecond: number;
  /** Requests per second of units not seen before, at first; default every request. */
  readonly unitsPerSecond?: number;
  /** How many distinct units there are; default no end of them. */
  readonly units?: number;
};

/** A time for which the shares stay. */
export type Period = { readonly traffic: readonly StageTraffic[]; readonly seconds: number };

/** Values of one slice, both arms together, as they were measured lately. */
export type ValuesLately = CellKey & {
  readonly perSecond: number;
  /** Each value with how often it was seen. */
  readonly seen: readonly (readonly [value: number, count: number])[];
};

/** Pairs of one target as they were measured lately: how many, and the part of which control's answer alone is bad. */
export type PairsLately = { readonly target: string; readonly perSecond: number; readonly badPart: number };

/** A signal with what is known of it from the traffic of today and of late. */
export type SignalForecast = SignalSpec & {
  /** Of rates, the share of control's requests that are bad today; null when it is not known. */
  readonly badPerRequest: number | null;
  /** Of values; none: nothing was measured lately. */
  readonly values?: readonly ValuesLately[];
  /** Of pairs; none: nothing was measured lately. */
  readonly pairs?: readonly PairsLately[];
  /** Of what a source counts: how many times the spread between units is that of independent requests. Default 1. */
  readonly dispersion?: number | undefined;
  /** Margin that the stage asks of it; null asks for no proof. */
  readonly tolerate: number | null;
  /** How long after the request an outcome may become known, in ms; default: with the request. */
  readonly delayMs?: number | undefined;
};

export const candidateRate = ({ requestsPerSecond, shareBp }: StageTraffic): number =>
  (requestsPerSecond * shareBp) / 10_000;
export const controlRate = (traffic: StageTraffic): number => traffic.requestsPerSecond - candidateRate(traffic);

/** Bad outcomes by slice, of pairs by target; none where nothing is known of them. */
const badIn = (signal: SignalForecast, { traffic, seconds }: Period): readonly ExpectedBad[] => {
  if (signal.type === 'paired') {
    const targets = new Set(traffic.map(({ target }) => target));
    return (signal.pairs ?? [])
      .filter(({ target }) => targets.has(target))
      .map(({ perSecond, badPart }) => {
        const bad = perSecond * badPart * seconds;
        return { candidate: bad, control: bad };
      });
  }
  const bad = (signal.badPerRequest ?? 0) * seconds;
  return traffic.map((each) => ({ candidate: candidateRate(each) * bad, control: controlRate(each) * bad }));
};

/** Slices that count by themselves; of others those with most values stand for all. */
const MOST_SLICES = 4;

const valuesIn = ({ values = [] }: SignalForecast, { traffic, seconds }: Period): readonly ExpectedValues[] => {
  const shares = new Map(traffic.map(({ target, shareBp }) => [target, shareBp]));
  const slices = values
    .flatMap(({ target, perSecond, seen }) => {
      const shareBp = shares.get(target);
      return shareBp === undefined ? [] : [{ seen, rho: shareBp / 10_000, count: perSecond * seconds }];
    })
    .toSorted((a, b) => b.count - a.count);
  const all = slices.reduce((sum, { count }) => sum + count, 0);
  const named = slices.slice(0, MOST_SLICES);
  const part = named.reduce((sum, { count }) => sum + count, 0);
  return named.map((slice) => ({ ...slice, count: (slice.count * all) / part }));
};

const judgedAs = ({ type, worse = 'higher' }: SignalSpec) => ({ type: type as 'mean' | 'distribution', worse });

const together = (slices: readonly ExpectedBad[]): ExpectedBad => ({
  candidate: slices.reduce((sum, { candidate }) => sum + candidate, 0),
  control: slices.reduce((sum, { control }) => sum + control, 0),
});

/** Whether anything is known from which a signal could be predicted with this traffic. */
export const isForeseen = (signal: SignalForecast, traffic: readonly StageTraffic[]): boolean => {
  const second = { traffic, seconds: 1 };
  if (isOfValues(signal)) return valuesIn(signal, second).length > 0;
  if (signal.type === 'paired') return badIn(signal, second).length > 0;
  return signal.type === 'rate' && signal.badPerRequest !== null;
};

/**
 * The smallest ratio of harm that is seen in a period with a chance, null for none; undefined where nothing is known from
 * which that could be told. Evidence of what a source counts is divided by the spread, so it needs so many times as much.
 */
export const sightOf = (
  signal: SignalForecast,
  period: Period,
  logBound: number,
): ((chance: number) => number | null) | undefined => {
  const { type, harm = 1, badPerRequest, dispersion = 1 } = signal;
  const bound = logBound * dispersion;
  if (!isForeseen(signal, period.traffic)) return undefined;
  if (isOfValues(signal)) {
    const sight = { ...judgedAs(signal), expected: valuesIn(signal, period), harm, logBound: bound };
    return (chance) => smallestShift(sight, chance);
  }
  const sight = { expected: together(badIn(signal, period)), harm, logBound: bound };
  // No more than every request can be bad.
  const most = type === 'rate' ? 1 / (badPerRequest ?? 0) : Number.POSITIVE_INFINITY;
  return (chance) => {
    const ratio = smallestHarm(sight, chance);
    return ratio === null || ratio > most ? null : ratio;
  };
};

/** Seconds until a signal is expected to be shown below its margin when the candidate is as good as control; null for never. */
export const timeToShow = (
  signal: SignalForecast & { readonly tolerate: number },
  traffic: readonly StageTraffic[],
  before: readonly Period[] = [],
): number | null => {
  const now = { traffic, seconds: 1 };
  const { tolerate, dispersion = 1 } = signal;
  const alpha = PROMOTION_ALPHA ** dispersion;
  if (isOfValues(signal)) {
    const earlier = before.flatMap((each) => valuesIn(signal, each));
    return timeToShowValues(judgedAs(signal), valuesIn(signal, now), tolerate, alpha, earlier);
  }
  const earlier = before.flatMap((each) => badIn(signal, each));
  return timeToPromote(badIn(signal, now), tolerate, alpha, earlier);
};
