import { RATIO_GRID } from './grid.js';
import { foldMeans, logEOfMeans, startMeans, type MeanProcess, type ValueBet, type ValueBin } from './means.js';
import { betLogs, logEValue, openLook, startProcess, type RateProcess } from './process.js';
import { centred, randomisationLogEs } from './randomisation.js';
import { logSumExp } from './special.js';

/** Quantiles of control above which values are counted: part of method `distribution-bet-v1`. */
export const QUANTILES: readonly number[] = [0.5, 0.9, 0.99, 0.999];

/** Logarithms further than this many standard deviations from the mean count as that far. */
const CLIP = 3;

/** Bets on how many times as often the candidate exceeds a quantile. */
const EXCESS_BETS: readonly number[] = RATIO_GRID.map(Math.log);

/** The e-process of a distribution of positive values, such as latencies. */
export type DistributionProcess = {
  readonly location: MeanProcess;
  readonly exceedances: readonly RateProcess[];
  /** Value → how often control showed it in past windows. */
  readonly control: Map<number, number>;
  total: number;
};

/** Before the first window: e-value 1. */
export const startDistribution = (): DistributionProcess => ({
  location: startMeans(),
  exceedances: QUANTILES.map(() => startProcess(EXCESS_BETS.length)),
  control: new Map(),
  total: 0,
});

/** The quantiles of control in past windows, each snapped to a value of the histogram; none before the first. */
const thresholds = ({ control, total }: DistributionProcess): readonly number[] => {
  if (total === 0) return [];
  const sorted = [...control].toSorted(([a], [b]) => a - b);
  return QUANTILES.map((quantile) => {
    let below = 0;
    for (const [value, count] of sorted) {
      below += count;
      if (below >= quantile * total) return value;
    }
    return Number.POSITIVE_INFINITY;
  });
};

const clipped = (bins: readonly ValueBin[], { count, mean, squares }: MeanProcess): readonly ValueBin[] => {
  const reach = count < 2 ? Number.POSITIVE_INFINITY : CLIP * Math.sqrt(squares / (count - 1));
  return bins.map((bin) => ({ ...bin, value: Math.min(mean + reach, Math.max(mean - reach, Math.log(bin.value))) }));
};

/**
 * Folds one window in. Five bets share the evidence evenly, and an average of e-processes is one: a shift of the
 * logarithm, clipped at three standard deviations, and four on how often the median, the 90th, 99th and 99.9th
 * percentile of control in past windows are exceeded. So a shift of everything is seen and a tail of a few as well.
 * `margin` is a ratio of values as its logarithm, tolerated in the direction `worse`; exceedances have none, so a
 * margin above 0 leaves the decision to the location alone.
 */
export const foldDistribution = (
  state: DistributionProcess,
  bins: readonly ValueBin[],
  how: ValueBet,
): DistributionProcess => {
  const { rho, raised, worse, margin } = how;
  const hasValues = bins.some(({ candidate, control }) => candidate + control > 0);
  const limits = margin === 0 && hasValues && rho > 0 && rho < 1 ? thresholds(state) : [];
  for (const [index, limit] of limits.entries()) {
    const process = state.exceedances[index];
    if (process === undefined) continue;
    const sign = worse === 'higher' ? 1 : -1;
    const isOver = (value: number): number => (value > limit ? sign : 0);
    const scores = centred(bins.map(({ value, candidate, control }) => ({ candidate, control, score: isOver(value) })));
    openLook(process, raised);
    betLogs(process, randomisationLogEs(scores, rho, EXCESS_BETS));
  }
  foldMeans(state.location, clipped(bins, state.location), how);
  for (const { value, control } of bins) {
    if (control === 0) continue;
    state.control.set(value, (state.control.get(value) ?? 0) + control);
    state.total += control;
  }
  return state;
};

/** Natural logarithm of the e-value: the mean of the five. */
export const logEOfDistribution = ({ location, exceedances }: DistributionProcess): number =>
  logSumExp([logEOfMeans(location), ...exceedances.map(logEValue)]) - Math.log(exceedances.length + 1);
