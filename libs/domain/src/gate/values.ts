import {
  addMoments,
  addToMoments,
  betLogs,
  differenceInterval,
  distributionLogEs,
  distributionProcesses,
  learnDistribution,
  learnSpread,
  locationLogEs,
  logSumExp,
  meanLogEs,
  meanOf,
  noMoments,
  nothingLearned,
  openLook,
  quantilesOf,
  SHIFT_BETS,
  startProcess,
  type LearnedDistribution,
  type Moments,
  type RateProcess,
  type Spread,
  type ValueBet,
  type ValueBin,
} from '#libs/statistics';
import type { ArmValues, CellCount, SignalSpec } from './types.js';

type Bins = NonNullable<CellCount['bins']>;
type Worse = NonNullable<SignalSpec['worse']>;

/** Values of both arms at one share, as they are told: of a distribution as logarithms. */
export type ValueStratum = { readonly shareBp: number; readonly candidate: Moments; readonly control: Moments };

/** What the values of one slice have told. */
export type ValueEvidence = {
  /** What past looks told of the spread of a mean, or of a distribution. */
  readonly learned: LearnedDistribution;
  readonly strata: ValueStratum[];
  /** Value of a distribution → how often on the candidate; control's are learned. Empty for means. */
  readonly candidate: Map<number, number>;
};

export const startValues = (): ValueEvidence => ({ learned: nothingLearned(), strata: [], candidate: new Map() });

/** The processes that a signal bets with, in every slice and over all of them. */
export const processesOf = ({ type }: SignalSpec): readonly RateProcess[] => {
  if (type === 'distribution') return distributionProcesses();
  return [type === 'mean' ? startProcess(SHIFT_BETS.length) : startProcess()];
};

const binsOf = (bins: Bins): readonly ValueBin[] =>
  bins.map(([value, candidate, control]) => ({ value, candidate, control }));

/** The candidate's values as they would be on control if they were worse by the ratio. */
const scaled = (bins: Bins, ratio: number, worse: Worse): readonly ValueBin[] => {
  if (ratio === 1) return binsOf(bins);
  const factor = worse === 'higher' ? 1 / ratio : ratio;
  return bins.flatMap(([value, candidate, control]) => [
    { value: value * factor, candidate, control: 0 },
    { value, candidate: 0, control },
  ]);
};

type Told = { readonly bins: Bins; readonly rho: number };

const spreadOf = ({ logs }: LearnedDistribution): Spread => logs;

/**
 * Logarithms of the e-values of what a look told of a slice, for each process its bets, by what earlier looks told; null
 * for a process that it tells nothing. The null is that the candidate's values are control's, worse by `harm` at most.
 */
export const logEsOfValues = (
  { type, harm = 1, worse = 'higher' }: SignalSpec,
  { learned }: ValueEvidence,
  { bins, rho }: Told,
): readonly (Float64Array | null)[] => {
  const how: ValueBet = { rho, raised: false, worse, margin: 0 };
  const values = scaled(bins, harm, worse);
  return type === 'distribution'
    ? distributionLogEs(learned, values, how)
    : [meanLogEs(spreadOf(learned), values, how)];
};

/** The same for the claim that the values are better than worse by `margin`: what lets a stage go on. */
export const logEsOfPromotion = (
  { type, worse = 'higher' }: SignalSpec,
  { learned }: ValueEvidence,
  { bins, rho }: Told,
  margin: number,
): Float64Array | null => {
  const how: ValueBet = { rho, raised: false, worse: worse === 'higher' ? 'lower' : 'higher', margin: 0 };
  const values = scaled(bins, margin, worse);
  return type === 'distribution' ? locationLogEs(learned, values, how) : meanLogEs(spreadOf(learned), values, how);
};

/** Multiplies the wealth of open processes by what a look told them. */
export const betValues = (processes: readonly RateProcess[], logEs: readonly (Float64Array | null)[]): void => {
  for (const [index, each] of logEs.entries()) {
    const process = processes[index];
    if (process !== undefined && each !== null) betLogs(process, each);
  }
};

/** Opens a look in every process. */
export const openLooks = (processes: readonly RateProcess[], isRaised: boolean): void => {
  for (const process of processes) openLook(process, isRaised);
};

/** An equal mixture over the bets of a promotion, from the sums of their logarithms. */
export const logPromotionOfValues = (sums: Float64Array): number => logSumExp([...sums]) - Math.log(sums.length);

const stratumOf = ({ strata }: ValueEvidence, shareBp: number): ValueStratum => {
  const known = strata.find((each) => each.shareBp === shareBp);
  if (known !== undefined) return known;
  const fresh = { shareBp, candidate: noMoments(), control: noMoments() };
  strata.push(fresh);
  return fresh;
};

/** Takes the values of a look into account, once all bets on the look are made. */
export const learnValues = ({ type }: SignalSpec, evidence: ValueEvidence, shareBp: number, bins: Bins): void => {
  const isDistribution = type === 'distribution';
  if (isDistribution) learnDistribution(evidence.learned, binsOf(bins));
  else learnSpread(spreadOf(evidence.learned), binsOf(bins));
  const stratum = stratumOf(evidence, shareBp);
  for (const [value, candidate, control] of bins) {
    const told = isDistribution ? Math.log(value) : value;
    addToMoments(stratum.candidate, told, candidate);
    addToMoments(stratum.control, told, control);
    if (isDistribution && candidate > 0)
      evidence.candidate.set(value, (evidence.candidate.get(value) ?? 0) + candidate);
  }
};

/** Moments of the candidate's values as they were measured. */
export const candidateMoments = ({ type }: SignalSpec, { strata, candidate }: ValueEvidence): Moments => {
  const all = noMoments();
  if (type === 'distribution') for (const [value, count] of candidate) addToMoments(all, value, count);
  else for (const stratum of strata) addMoments(all, stratum.candidate);
  return all;
};

const SHOWN_QUANTILES = [0.5, 0.9, 0.99];

const totalOf = (counts: ReadonlyMap<number, number>): number => {
  let total = 0;
  for (const count of counts.values()) total += count;
  return total;
};

const merged = (maps: readonly ReadonlyMap<number, number>[]): ReadonlyMap<number, number> => {
  const sum = new Map<number, number>();
  for (const map of maps) for (const [value, count] of map) sum.set(value, (sum.get(value) ?? 0) + count);
  return sum;
};

const armOf = (
  type: SignalSpec['type'],
  moments: readonly Moments[],
  counts: ReadonlyMap<number, number>,
): ArmValues | null => {
  const all = noMoments();
  for (const { count, sum } of moments) {
    all.count += count;
    all.sum += sum;
  }
  if (all.count === 0) return null;
  if (type !== 'distribution') return { count: all.count, mean: meanOf(all), quantiles: null };
  let sum = 0;
  for (const [value, count] of counts) sum += value * count;
  return { count: all.count, mean: sum / all.count, quantiles: quantilesOf(counts, totalOf(counts), SHOWN_QUANTILES) };
};

/** What the values of some slices come to: both arms, and the ratio to control with its interval. */
export const summaryOfValues = ({ type }: SignalSpec, slices: readonly ValueEvidence[], alpha: number) => {
  const strata = slices.flatMap((slice) => slice.strata);
  const found = differenceInterval(strata, alpha, type === 'distribution' ? 'means' : 'log-means');
  return {
    candidate: armOf(
      type,
      strata.map(({ candidate }) => candidate),
      merged(slices.map(({ candidate }) => candidate)),
    ),
    control: armOf(
      type,
      strata.map(({ control }) => control),
      merged(slices.map(({ learned }) => learned.control)),
    ),
    ratio: found === null ? null : Math.exp(found.difference),
    interval: found === null ? null : ([Math.exp(found.low), Math.exp(found.high)] as const),
  };
};
