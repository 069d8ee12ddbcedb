import { betLogs, logEValue, openLook, startProcess, type RateProcess } from './process.js';
import { centred, randomisationLogEs, SHIFT_BETS, type ScoredBin } from './randomisation.js';

/** One bin of a histogram: its value, and how many of it on each arm. */
export type ValueBin = { readonly value: number; readonly candidate: number; readonly control: number };

/** How a window was served and what counts as harm. */
export type ValueBet = {
  /** Candidate share, between 0 and 1. */
  readonly rho: number;
  /** Whether this is the first window with values at a larger exposure than ever before. */
  readonly raised: boolean;
  /** The direction in which the candidate may not go. */
  readonly worse: 'higher' | 'lower';
  /** How far in that direction is tolerated, in units of the value. */
  readonly margin: number;
};

/** What past windows told of the spread of both arms together, and of the mean lately. */
export type Spread = { count: number; mean: number; squares: number; near: { mean: number; weight: number } };

/** Values that the mean lately is one of at most: a small window is centred by them, a large one by itself. */
const NEAR = 100;

/** The e-process of a mean: bets on seven sizes of shift, and what past windows told of the spread. */
export type MeanProcess = { readonly process: RateProcess; readonly spread: Spread };

export const noSpread = (): Spread => ({ count: 0, mean: 0, squares: 0, near: { mean: 0, weight: 0 } });

/** Before the first window: e-value 1. */
export const startMeans = (): MeanProcess => ({ process: startProcess(SHIFT_BETS.length), spread: noSpread() });

/** The standard deviation; 0 before there are two values that differ. */
export const deviationOf = ({ count, squares }: Spread): number => (count < 2 ? 0 : Math.sqrt(squares / (count - 1)));

export const hasValues = (bins: readonly ValueBin[]): boolean =>
  bins.some(({ candidate, control }) => candidate + control > 0);

/** Takes a window's values into account, whatever their arms. */
export const learnSpread = (spread: Spread, bins: readonly ValueBin[]): void => {
  for (const { value, candidate, control } of bins) {
    const added = candidate + control;
    if (added === 0) continue;
    const distance = value - spread.mean;
    spread.count += added;
    spread.mean += (distance * added) / spread.count;
    spread.squares += added * distance * (value - spread.mean);
    const { near } = spread;
    near.weight += added;
    near.mean += ((value - near.mean) * added) / near.weight;
  }
  spread.near.weight = Math.min(NEAR, spread.near.weight);
};

/** Every bin once for each arm, scored so that a high score is bad and the tolerated margin is taken off the candidate. */
const scored = (bins: readonly ValueBin[], deviation: number, { worse, margin }: ValueBet): readonly ScoredBin[] => {
  const sign = worse === 'higher' ? 1 : -1;
  return bins.flatMap(({ value, candidate, control }) => [
    { candidate, control: 0, score: (sign * value - margin) / deviation },
    { candidate: 0, control, score: (sign * value) / deviation },
  ]);
};

/**
 * Logarithms of the e-values of one window, a bet each, by the spread of earlier windows; null where the window tells
 * nothing: without a spread yet, without values, or at a share of 0 or 1. Exact for the sharp null that the candidate
 * changes no value by more than the margin.
 */
export const meanLogEs = (spread: Spread, bins: readonly ValueBin[], how: ValueBet): Float64Array | null => {
  const deviation = deviationOf(spread);
  if (!(deviation > 0) || !hasValues(bins) || how.rho <= 0 || how.rho >= 1) return null;
  const { mean, weight } = spread.near;
  const past = { mean: ((how.worse === 'higher' ? 1 : -1) * mean) / deviation, weight };
  return randomisationLogEs(centred(scored(bins, deviation, how), past), how.rho, SHIFT_BETS);
};

/** Folds one window in: first it bets, with the spread that earlier windows showed, then it learns from the window. */
export const foldMeans = (state: MeanProcess, bins: readonly ValueBin[], how: ValueBet): MeanProcess => {
  const logEs = meanLogEs(state.spread, bins, how);
  if (logEs !== null) {
    openLook(state.process, how.raised);
    betLogs(state.process, logEs);
  }
  learnSpread(state.spread, bins);
  return state;
};

/** Natural logarithm of the e-value. */
export const logEOfMeans = ({ process }: MeanProcess): number => logEValue(process);

/**
 * The fewest candidate values, in expectation, with which any test that errs with chance alpha at most can find a shift
 * of `shift` standard deviations between normal distributions at candidate share `rho`: 2 ln(1/alpha) / ((1-rho) shift²).
 */
export const limitCandidateValues = ({
  shift,
  rho,
  alpha,
}: Readonly<Record<'shift' | 'rho' | 'alpha', number>>): number => (2 * Math.log(1 / alpha)) / ((1 - rho) * shift ** 2);
