import { RATIO_GRID } from './grid.js';
import { deviationOf, hasValues, learnSpread, meanLogEs, noSpread } from './means.js';
import type { Spread, ValueBet, ValueBin } from './means.js';
import { betLogs, logEValue, openLook, startProcess, type RateProcess } from './process.js';
import { centred, randomisationLogEs, SHIFT_BETS } from './randomisation.js';
import { logSumExp } from './special.js';

/** Quantiles of control above which values are counted: part of method `distribution-bet-v1`. */
export const QUANTILES: readonly number[] = [0.5, 0.9, 0.99, 0.999];

/** Logarithms further than this many standard deviations from the mean count as that far. */
const CLIP = 3;

/** As so many values of a window counts what is known of a quantile: that so many of control exceed it. */
const QUANTILE_WEIGHT = 100;

/** Bets on how many times as often the candidate exceeds a quantile. */
const EXCESS_BETS: readonly number[] = RATIO_GRID.map(Math.log);

/** What past windows told of a distribution: the spread of its logarithms, and how often control showed each value. */
export type LearnedDistribution = { readonly logs: Spread; readonly control: Map<number, number>; total: number };

/** The e-process of a distribution of positive values, such as latencies. */
export type DistributionProcess = { readonly processes: readonly RateProcess[]; readonly learned: LearnedDistribution };

export const nothingLearned = (): LearnedDistribution => ({ logs: noSpread(), control: new Map(), total: 0 });

/** One process for the location, then one for each quantile; all before their first window. */
export const distributionProcesses = (): readonly RateProcess[] => [
  startProcess(SHIFT_BETS.length),
  ...QUANTILES.map(() => startProcess(EXCESS_BETS.length)),
];

/** Before the first window: e-value 1. */
export const startDistribution = (): DistributionProcess => ({
  processes: distributionProcesses(),
  learned: nothingLearned(),
});

/** The quantiles of values of which `counts` says how often each was seen; none where none was. */
export const quantilesOf = (
  counts: ReadonlyMap<number, number>,
  total: number,
  quantiles: readonly number[],
): readonly number[] => {
  if (total === 0) return [];
  const sorted = [...counts].toSorted(([a], [b]) => a - b);
  return quantiles.map((quantile) => {
    let below = 0;
    for (const [value, count] of sorted) {
      below += count;
      if (below >= quantile * total) return value;
    }
    return Number.POSITIVE_INFINITY;
  });
};

const clipped = (bins: readonly ValueBin[], logs: Spread): readonly ValueBin[] => {
  const reach = logs.count < 2 ? Number.POSITIVE_INFINITY : CLIP * deviationOf(logs);
  return bins.map((bin) => ({
    ...bin,
    value: Math.min(logs.mean + reach, Math.max(logs.mean - reach, Math.log(bin.value))),
  }));
};

/**
 * Logarithms of the e-values of one window for the location alone, a bet each: the shift of the logarithm, clipped at
 * three standard deviations; null where the window tells nothing. `margin` is the logarithm of a ratio.
 */
export const locationLogEs = (
  { logs }: LearnedDistribution,
  bins: readonly ValueBin[],
  how: ValueBet,
): Float64Array | null => meanLogEs(logs, clipped(bins, logs), how);

const excessLogEs = (
  learned: LearnedDistribution,
  bins: readonly ValueBin[],
  { rho, worse, margin }: ValueBet,
): readonly (Float64Array | null)[] => {
  if (margin !== 0 || !hasValues(bins) || rho <= 0 || rho >= 1 || learned.total === 0) return QUANTILES.map(() => null);
  const sign = worse === 'higher' ? 1 : -1;
  return quantilesOf(learned.control, learned.total, QUANTILES).map((limit, index) => {
    const past = { mean: sign * (1 - (QUANTILES[index] ?? 1)), weight: Math.min(QUANTILE_WEIGHT, learned.total) };
    const isOver = (value: number): number => (value > limit ? sign : 0);
    const scores = bins.map(({ value, candidate, control }) => ({ candidate, control, score: isOver(value) }));
    return randomisationLogEs(centred(scores, past), rho, EXCESS_BETS);
  });
};

/**
 * Logarithms of the e-values of one window, for each process its bets; null for a process that the window tells nothing.
 * Exceedances have no margin, so a margin above 0 leaves the decision to the location alone.
 */
export const distributionLogEs = (
  learned: LearnedDistribution,
  bins: readonly ValueBin[],
  how: ValueBet,
): readonly (Float64Array | null)[] => [locationLogEs(learned, bins, how), ...excessLogEs(learned, bins, how)];

/** Takes a window's values into account. */
export const learnDistribution = (learned: LearnedDistribution, bins: readonly ValueBin[]): void => {
  learnSpread(learned.logs, clipped(bins, learned.logs));
  for (const { value, control } of bins) {
    if (control === 0) continue;
    learned.control.set(value, (learned.control.get(value) ?? 0) + control);
    learned.total += control;
  }
};

/**
 * Folds one window in. Five bets share the evidence evenly, and an average of e-processes is one: a shift of the
 * logarithm, and four on how often the median, the 90th, 99th and 99.9th percentile of control in past windows are
 * exceeded. So a shift of everything is seen and a tail of a few as well.
 */
export const foldDistribution = (
  state: DistributionProcess,
  bins: readonly ValueBin[],
  how: ValueBet,
): DistributionProcess => {
  for (const [index, logEs] of distributionLogEs(state.learned, bins, how).entries()) {
    const process = state.processes[index];
    if (process === undefined || logEs === null) continue;
    openLook(process, how.raised);
    betLogs(process, logEs);
  }
  learnDistribution(state.learned, bins);
  return state;
};

/** Natural logarithm of the mean of the e-values of several processes. */
export const logMeanE = (processes: readonly RateProcess[]): number => {
  const [only] = processes;
  if (only !== undefined && processes.length === 1) return logEValue(only);
  return logSumExp(processes.map(logEValue)) - Math.log(processes.length);
};

/** Natural logarithm of the e-value: the mean of the five. */
export const logEOfDistribution = ({ processes }: DistributionProcess): number => logMeanE(processes);
