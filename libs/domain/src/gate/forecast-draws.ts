import { instanceLogE, instanceScores, logWealthOfDraw, normalQuantile, payDraw, startDraw } from '#libs/statistics';
import { firstOf, mergedDraws } from './instances.js';
import { isOfValues, type SignalSpec } from './types.js';

/** What the instances of one target were like lately. */
export type InstancesLately = {
  readonly target: string;
  /** Of each its rate of bad requests or the mean of its values, of a distribution the mean of their logarithms. */
  readonly levels: readonly number[];
  /** Requests, or values, that each level rests on. */
  readonly count: number;
  /** Requests, or values, of one instance per second. */
  readonly perSecond: number;
};

/** One draw of a target, and for how long it is looked at. */
export type DrawAhead = {
  readonly target: string;
  /** Newly chosen ones, of how many that were drawn from. */
  readonly chosen: number;
  readonly of: number;
  readonly seconds: number;
};

export type DrawsAhead = {
  readonly signal: SignalSpec;
  readonly lately: readonly InstancesLately[];
  /** Draws of this stage and of those before it on its track. */
  readonly draws: readonly DrawAhead[];
  /** Targets of all that is judged together. */
  readonly targets: readonly string[];
};

/** Candidate instances are worse by `truth`, the claim is that they are by `claim` at most, and the lot is so unlucky. */
type Case = { readonly truth: number; readonly claim: number; readonly z: number };

const middleOf = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** A median absolute deviation of so many is one standard deviation of a normal value. */
const PER_DEVIATION = 1.4826;

type Level = { readonly middle: number; readonly apart: number; readonly count: number };

/** The middle of all instances and how far apart they are, without what chance alone makes of so few requests. */
const levelOf = (signal: SignalSpec, { levels, count }: InstancesLately): Level => {
  const middle = middleOf(levels);
  const seen = PER_DEVIATION * middleOf(levels.map((level) => Math.abs(level - middle)));
  const noise = isOfValues(signal) ? 0 : middle / count;
  return { middle, count, apart: Math.sqrt(Math.max(0, seen ** 2 - noise)) };
};

/** Instances that stand as far apart as so many normal values do on average. */
const spread = (count: number, middle: number, deviation: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => middle + deviation * normalQuantile((i + 0.5) / count));

/** The e-value of a draw of which each instance has served so much, at the quantile `z` of the lot. */
const logEOf = (
  signal: SignalSpec,
  { middle, apart, count }: Level,
  draw: DrawAhead,
  served: number,
  how: Case,
): number => {
  const { chosen, of } = draw;
  const { type, worse = 'higher' } = signal;
  const noise = isOfValues(signal) ? 0 : middle / served;
  // Of values nobody knows what part of it is chance: with fewer of them, all of it is taken for that.
  const chance = isOfValues(signal) ? Math.max(1, count / served) : 1;
  const deviation = Math.sqrt(apart ** 2 * chance + noise);
  const factor = (how.truth / how.claim) ** (worse === 'higher' ? 1 : -1);
  const moved = type === 'distribution' ? middle + Math.log(factor) : middle * factor;
  const sign = worse === 'higher' ? 1 : -1;
  const luck = sign * how.z * deviation * Math.sqrt(1 / chosen + 1 / (of - chosen));
  const values = [...spread(chosen, moved - luck, deviation), ...spread(of - chosen, middle, deviation)];
  const scores = instanceScores(values.map((value) => ({ value, noise })));
  return instanceLogE(scores.map((score, i) => ({ score: sign * score, isChosen: i < chosen })));
};

/** What a draw has shown by the end of its time: it is looked at each time half as much again was seen. */
const wealthOf = (signal: SignalSpec, lately: InstancesLately, draw: DrawAhead, how: Case): number => {
  const { chosen, of, seconds } = draw;
  if (chosen <= 0 || chosen >= of || lately.levels.length === 0) return 0;
  const level = levelOf(signal, lately);
  const perServed = of * (isOfValues(signal) ? 1 : level.middle);
  const process = startDraw(firstOf(signal, of));
  while (perServed > 0 && process.next <= perServed * lately.perSecond * seconds) {
    const seen = process.next;
    payDraw(process, logEOf(signal, level, draw, seen / perServed, how), seen);
  }
  return logWealthOfDraw(process);
};

const logEWith = ({ signal, lately, draws, targets }: DrawsAhead, how: Case): readonly number[] =>
  targets.map((target) => {
    const known = lately.find((each) => each.target === target);
    return draws
      .filter((draw) => draw.target === target && known !== undefined)
      .reduce((sum, draw) => sum + (known === undefined ? 0 : wealthOf(signal, known, draw, how)), 0);
  });

/** Whether anything is known of the instances of a draw. */
export const areForeseen = ({ lately, draws }: DrawsAhead): boolean =>
  draws.some(({ target }) => lately.some((each) => each.target === target && each.levels.length > 1));

const LARGEST_RATIO = 1_000;

/**
 * The smallest ratio by which chosen instances are worse that is seen by the end with this chance; null for none. Instances
 * stand apart as they did lately, as normal values do on average, and the lot is as unlucky as with that chance at worst:
 * shared out over draws, which are independent.
 */
export const smallestDrawn = (ahead: DrawsAhead, logBound: number, chance: number): number | null => {
  const { harm = 1 } = ahead.signal;
  const z = normalQuantile(chance) / Math.sqrt(Math.max(1, ahead.draws.length));
  const isSeen = (truth: number): boolean => mergedDraws(logEWith(ahead, { truth, claim: harm, z })) >= logBound;
  if (!isSeen(LARGEST_RATIO)) return null;
  let [low, high] = [harm, LARGEST_RATIO];
  while (high / low > 1.01) {
    const middle = Math.sqrt(low * high);
    if (isSeen(middle)) high = middle;
    else low = middle;
  }
  return high;
};
