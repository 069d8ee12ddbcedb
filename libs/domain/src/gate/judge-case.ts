import { confidenceSequence, likeliestRatio, logPromotion } from '#libs/statistics';
import { groupOf, highestPromotion, likelihoodOf, promotionOf } from './evidence.js';
import { armsByInstance, drawsLogPromotion, isByInstance, type ArmInstances } from './instances.js';
import type { CellEvidence, RolloutEvidence, SignalEvidence } from './state.js';
import { countsPhrase, placesPhrase, valuesPhrase } from './sentence.js';
import {
  isOfValues,
  type ArmCounts,
  type JudgeOptions,
  type SliceCounts,
  type Verdict,
  type VerdictKind,
} from './types.js';
import { summaryOfValues } from './values.js';

/** Level of the interval that a verdict shows. */
export const INTERVAL_ALPHA = 0.05;

/** Chance of going on although the ratio is at the margin or above. */
export const PROMOTION_ALPHA = 0.05;

export const totals = (slices: readonly ArmCounts[]): ArmCounts => {
  const sum = { candidateBad: 0, candidateRequests: 0, controlBad: 0, controlRequests: 0 };
  for (const each of slices) {
    sum.candidateBad += each.candidateBad;
    sum.candidateRequests += each.candidateRequests;
    sum.controlBad += each.controlBad;
    sum.controlRequests += each.controlRequests;
  }
  return sum;
};

/** Slices that proved harm by themselves, the clearest first. */
const provedBy = (signal: SignalEvidence): readonly CellEvidence[] => {
  const proved: CellEvidence[] = [];
  for (const cell of signal.cells.values()) if (cell.maxLogE >= cell.logBound) proved.push(cell);
  return proved.toSorted((a, b) => b.maxLogE - a.maxLogE);
};

/** Everything a judgement looks at, gathered once. */
export type Case = {
  readonly state: RolloutEvidence;
  readonly signal: SignalEvidence;
  readonly options: JudgeOptions;
  readonly slices: readonly SliceCounts[];
  readonly counts: ArmCounts;
  readonly values: Verdict['values'];
  readonly ratio: number | null;
  readonly interval: readonly [number | null, number | null] | null;
  readonly logPromote: number | null;
  readonly proved: readonly CellEvidence[];
};

/** Scopes are lists that many signals are judged by. */
const members = new WeakMap<readonly string[], ReadonlySet<string>>();

export const membersOf = (targets: readonly string[]): ReadonlySet<string> => {
  const known = members.get(targets);
  if (known !== undefined) return known;
  const set = new Set(targets);
  members.set(targets, set);
  return set;
};

const slicesOn = (counts: readonly SliceCounts[], targets: readonly string[] | null): readonly SliceCounts[] => {
  if (targets === null) return counts;
  const scope = membersOf(targets);
  return counts.filter(({ target }) => scope.has(target));
};

const armOfInstances = ({ type }: SignalEvidence['spec'], { count, mean }: ArmInstances) =>
  count === 0 ? null : { count, mean: type === 'distribution' ? Math.exp(mean) : mean, quantiles: null };

/** What the instances of both arms come to. One draw gives no confidence sequence of the ratio. */
const estimateOfDraws = (
  signal: SignalEvidence,
  targets: readonly string[] | null,
): Pick<Case, 'values' | 'ratio' | 'interval'> => {
  const arms = armsByInstance(signal, targets);
  const candidate = armOfInstances(signal.spec, arms.candidate);
  const control = armOfInstances(signal.spec, arms.control);
  const ratio = candidate && control && control.mean > 0 ? candidate.mean / control.mean : null;
  return { values: isOfValues(signal.spec) ? { candidate, control } : null, ratio, interval: null };
};

/** The estimate of a ratio, from the likelihoods of bad events or from the moments of values. */
const estimateOf = (
  state: RolloutEvidence,
  signal: SignalEvidence,
  targets: readonly string[] | null,
): Pick<Case, 'values' | 'ratio' | 'interval'> => {
  if (isByInstance(state.spec, signal.spec)) return estimateOfDraws(signal, targets);
  if (isOfValues(signal.spec)) {
    const scope = targets === null ? null : membersOf(targets);
    const told = [...signal.cells.values()].filter(({ key }) => scope === null || scope.has(key.target));
    const all = told.flatMap(({ values }) => values ?? []);
    const { ratio, interval, candidate, control } = summaryOfValues(signal.spec, all, INTERVAL_ALPHA);
    return { values: { candidate, control }, ratio, interval };
  }
  const likelihood = likelihoodOf(state, signal, targets);
  if (likelihood === null) return { values: null, ratio: null, interval: null };
  return { values: null, ratio: likeliestRatio(likelihood), interval: confidenceSequence(likelihood, INTERVAL_ALPHA) };
};

export const gather = (state: RolloutEvidence, signal: SignalEvidence, options: JudgeOptions): Case => {
  const slices = slicesOn(options.counts, options.targets);
  return {
    state,
    signal,
    options,
    slices,
    counts: totals(slices),
    ...estimateOf(state, signal, options.targets),
    logPromote: promotionNow(state, signal, options),
    proved: provedBy(signal),
  };
};

const promotionNow = (
  state: RolloutEvidence,
  signal: SignalEvidence,
  { tolerate, targets }: JudgeOptions,
): number | null => {
  if (tolerate === null) return null;
  if (isByInstance(state.spec, signal.spec)) return drawsLogPromotion(state, signal, targets, tolerate);
  const group = groupOf(signal, targets);
  const likelihood = group === undefined ? likelihoodOf(state, signal, targets) : group.likelihood;
  const nothing = (): number =>
    isOfValues(signal.spec)
      ? 0
      : logPromotion(likelihood ?? new Float64Array(state.scale.ratios.length), state.scale, tolerate);
  const now = (group === undefined ? null : promotionOf(state, group, tolerate)) ?? nothing();
  return Math.max(now, highestPromotion(signal, targets, tolerate) ?? now);
};

/** Slices of which nothing was measured are not named. */
export const placesOf = ({ state, slices }: Pick<Case, 'state' | 'slices'>): string => {
  const told = slices.filter(({ candidateRequests, controlRequests }) => candidateRequests + controlRequests > 0);
  return placesPhrase(told.length > 0 ? told : slices, state.spec.cells);
};

export const titleOf = ({ spec }: SignalEvidence): string => spec.title ?? spec.signal;

export type Finding = { readonly verdict: VerdictKind; readonly sentence: string };

/** Sentence parts of a guardrail: what was measured, and what of. */
export const saidOf = ({ signal, counts, values }: Case): string =>
  values === null ? countsPhrase(counts) : valuesPhrase(signal.spec, values);
