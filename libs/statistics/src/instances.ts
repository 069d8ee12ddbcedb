import { lnGamma, logAddExp } from './special.js';

/** What one instance came to: its rate of bad requests, or the mean of its values. */
export type InstanceMeasure = {
  readonly value: number;
  /** Variance of the value by chance alone, from how little was seen of it; 0 where that is not known. */
  readonly noise: number;
};

/** Natural logarithm of the number of ways to choose k of n. */
export const logChoose = (n: number, k: number): number =>
  k <= 0 || k >= n ? 0 : lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1);

const logistic = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** Bits to which the shift is found; it only has to be near. */
const HALVINGS = 60;

/** The shift by which coins with these log-odds have k heads on average. */
const shiftTo = (logs: readonly number[], k: number): number => {
  let low = -50 - Math.max(...logs);
  let high = 50 - Math.min(...logs);
  for (let step = 0; step < HALVINGS; step += 1) {
    const middle = (low + high) / 2;
    const heads = logs.reduce((sum, log) => sum + logistic(log + middle), 0);
    if (heads < k) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

/**
 * Natural logarithm of the k-th elementary symmetric polynomial of exp(logs): the sum over all choices of k of them. It is
 * the chance that independent coins with these odds show k heads, but for a factor that is known; all odds are shifted
 * alike so that k heads are what is expected, and neither overflow nor underflow matters. O(n k) by a dynamic programme.
 */
export const logElementary = (logs: readonly number[], k: number): number => {
  const n = logs.length;
  if (k < 0 || k > n) return Number.NEGATIVE_INFINITY;
  if (k === 0) return 0;
  if (k === n) return logs.reduce((sum, log) => sum + log, 0);
  const shift = shiftTo(logs, k);
  const chances = new Float64Array(k + 1);
  chances[0] = 1;
  let factor = -k * shift;
  for (const [index, log] of logs.entries()) {
    const [heads, tails] = [logistic(log + shift), logistic(-log - shift)];
    for (let j = Math.min(k, index + 1); j >= 1; j -= 1)
      chances[j] = (chances[j] ?? 0) * tails + (chances[j - 1] ?? 0) * heads;
    chances[0] = (chances[0] ?? 0) * tails;
    factor += softplus(log + shift);
  }
  return factor + Math.log(chances[k] ?? 0);
};

const medianOf = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const high = sorted[Math.floor(middle)] ?? 0;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? 0) + high) / 2 : high;
};

/** A median absolute deviation of so many is one standard deviation of a normal value. */
const PER_DEVIATION = 1.4826;
/** No instance counts for more than this many deviations, however far off it is. */
const FURTHEST = 3;

/**
 * How far each instance is from the middle of all, in robust standard deviations, up to 3 either way: so neither one
 * machine that is always slow nor one of which little was seen decides. It knows nothing of who was chosen.
 */
export const instanceScores = (measures: readonly InstanceMeasure[]): readonly number[] => {
  const middle = medianOf(measures.map(({ value }) => value));
  const apart = PER_DEVIATION * medianOf(measures.map(({ value }) => Math.abs(value - middle)));
  return measures.map(({ value, noise }) => {
    if (value === middle) return 0;
    const scale = Math.sqrt(apart ** 2 + noise);
    return Math.max(-FURTHEST, Math.min(FURTHEST, (value - middle) / scale));
  });
};

/** Tilts that are bet on, with their weights: most of it on the strong ones, which small fleets need. */
export const TILTS: readonly (readonly [tilt: number, weight: number])[] = [
  [0.5, 1 / 8],
  [1, 1 / 8],
  [2, 1 / 4],
  [4, 1 / 2],
];

/** One instance by its score, the higher the worse, and whether it was chosen. */
export type ScoredInstance = { readonly score: number; readonly isChosen: boolean };

/**
 * Natural logarithm of the e-value for "those that were chosen have higher scores" against "the choice made no
 * difference", given that k of n were chosen by lot: exp(tilt × sum of the chosen scores) over its mean under all
 * choices, mixed over the tilts. Its mean over all choices is exactly 1, whatever the instances are like and however
 * different (Fisher's randomisation inference, with e-values by exponential tilting). 0 where there was no choice.
 */
export const instanceLogE = (instances: readonly ScoredInstance[]): number => {
  const n = instances.length;
  const chosen = instances.filter(({ isChosen }) => isChosen);
  const k = chosen.length;
  if (k === 0 || k === n) return 0;
  const sum = chosen.reduce((total, { score }) => total + score, 0);
  const ways = logChoose(n, k);
  let mixed = Number.NEGATIVE_INFINITY;
  for (const [tilt, weight] of TILTS) {
    const tilted = instances.map(({ score }) => tilt * score);
    mixed = logAddExp(mixed, Math.log(weight) + tilt * sum + ways - logElementary(tilted, k));
  }
  return mixed;
};

/** Part of the wealth of a draw that is never bet: what was shown by earlier draws is not lost by a later one. */
export const KEPT_CASH = 1 / 8;

/** How fast the masses of checkpoints fall: small fleets can only show something with most of the mass. */
const FALL = 1.5;

/**
 * Part of the rest that the n-th checkpoint of a draw gets: 1/(n+1)^1.5 - 1/(n+2)^1.5, 1 over all of them. The labels are drawn once,
 * so what the checkpoints show is no martingale; a sum with fixed weights grows only, and its mean is at most 1 even at
 * the end of time, so that the bound holds at all checkpoints together (Markov).
 */
export const checkpointMass = (index: number): number => (index + 1) ** -FALL - (index + 2) ** -FALL;

/** The evidence of one draw: what its checkpoints have paid so far. */
export type DrawProcess = {
  /** Checkpoints so far. */
  checkpoints: number;
  /** Natural logarithm of the sum of their masses times e-values; minus infinity before the first. */
  logPaid: number;
  /** How much must have been seen for the next checkpoint. */
  next: number;
};

/** `first`: how much must have been seen for the first checkpoint, by a measure that does not look at the draw. */
export const startDraw = (first: number): DrawProcess => ({
  checkpoints: 0,
  logPaid: Number.NEGATIVE_INFINITY,
  next: first,
});

/** Checkpoints come each time half as much again was seen. */
const GROWTH = 1.5;

/** Adds a checkpoint at which so much was seen. */
export const payDraw = (draw: DrawProcess, logE: number, seen: number): void => {
  draw.logPaid = logAddExp(draw.logPaid, Math.log(checkpointMass(draw.checkpoints)) + logE);
  draw.checkpoints += 1;
  draw.next = seen * GROWTH;
};

/** Natural logarithm of the wealth of a draw: it never falls. Wealths of independent or later draws may be multiplied. */
export const logWealthOfDraw = ({ logPaid }: DrawProcess): number =>
  logAddExp(Math.log(KEPT_CASH), Math.log1p(-KEPT_CASH) + logPaid);

/** Checkpoints after which hardly anything is left to be paid. */
const SOON = 4;

/**
 * What a draw of k of n can show before long, as the logarithm of its wealth: those chosen stand as far apart from the
 * others as the score goes, at the first four checkpoints. Little more is ever possible, however clear the harm is.
 */
export const mostOfDraw = (n: number, k: number): number => {
  if (k <= 0 || k >= n) return 0;
  const values = Array.from({ length: n }, (_, i) => ({ value: i < k ? 1 : 0, noise: 0 }));
  const scores = instanceScores(values).map((score, i) => ({ score, isChosen: i < k }));
  const draw = startDraw(0);
  const logE = instanceLogE(scores);
  for (let checkpoint = 0; checkpoint < SOON; checkpoint += 1) payDraw(draw, logE, 1);
  return logWealthOfDraw(draw);
};
