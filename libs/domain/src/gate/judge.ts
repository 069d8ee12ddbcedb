import { confidenceSequence, likeliestRatio, logPromotion } from '#libs/statistics';
import { countedMethod, isPastLimit, isWorseThanBefore, spreadOf } from './counted.js';
import { groupOf, highestPromotion, likelihoodOf, promotionOf } from './evidence.js';
import { armsByInstance, drawsLogPromotion, isByInstance, worstTarget, type ArmInstances } from './instances.js';
import type { CellEvidence, RolloutEvidence, SignalEvidence } from './state.js';
import {
  alsoPhrase,
  beforePhrase,
  countedPhrase,
  countsPhrase,
  drawPhrase,
  explainedPhrase,
  harmPhrase,
  limitPhrase,
  needPhrase,
  placesPhrase,
  sincePhrase,
  valuesPhrase,
  whole,
  withinPhrase,
  worsePhrase,
} from './sentence.js';
import { likelihoodOfTally } from './tally.js';
import {
  isCounted,
  isOfValues,
  type ArmCounts,
  type GateMethod,
  type JudgeOptions,
  type SliceCounts,
  type Verdict,
  type VerdictKind,
  type Violations,
} from './types.js';
import { summaryOfValues } from './values.js';
import { keyOf } from './weights.js';

/** Level of the interval that a verdict shows. */
export const INTERVAL_ALPHA = 0.05;

/** Chance of going on although the ratio is at the margin or above. */
export const PROMOTION_ALPHA = 0.05;

/** Nothing passes while the evidence of harm is already this e-value, spread over the signals like the bound. */
const SUSPICION = 10;

const totals = (slices: readonly ArmCounts[]): ArmCounts => {
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
type Case = {
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

const membersOf = (targets: readonly string[]): ReadonlySet<string> => {
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

const gather = (state: RolloutEvidence, signal: SignalEvidence, options: JudgeOptions): Case => {
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
const placesOf = ({ state, slices }: Pick<Case, 'state' | 'slices'>): string => {
  const told = slices.filter(({ candidateRequests, controlRequests }) => candidateRequests + controlRequests > 0);
  return placesPhrase(told.length > 0 ? told : slices, state.spec.cells);
};

const titleOf = ({ spec }: SignalEvidence): string => spec.title ?? spec.signal;

type Finding = { readonly verdict: VerdictKind; readonly sentence: string };

const failOfRate = (all: Case): Finding => {
  const { state, signal, options } = all;
  const harm = signal.spec.harm ?? 1;
  const [worst, ...others] = all.proved;
  const counts =
    worst &&
    options.counts.filter((slice) => keyOf(slice.target, slice.model) === keyOf(worst.key.target, worst.key.model));
  if (worst === undefined || counts === undefined || counts.length === 0) {
    const everywhere = gather(state, signal, { ...options, targets: null });
    const said = `${countsPhrase(everywhere.counts)}; ${harmPhrase(everywhere.interval?.[0] ?? null, harm)}`;
    return { verdict: 'fail', sentence: `${titleOf(signal)} ${placesOf(everywhere)}: ${said}` };
  }
  const likelihood = likelihoodOfTally(state, worst.tally);
  const low = likelihood === null ? null : confidenceSequence(likelihood, INTERVAL_ALPHA)[0];
  const more =
    others.length === 0 ? '' : `; proved on ${others.length} more ${others.length === 1 ? 'slice' : 'slices'}`;
  const places = placesOf({ state, slices: counts });
  return {
    verdict: 'fail',
    sentence: `${titleOf(signal)} ${places}: ${countsPhrase(totals(counts))}; ${harmPhrase(low, harm)}${more}`,
  };
};

const failOfValues = (all: Case): Finding => {
  const { state, signal, options } = all;
  const [worst] = all.proved;
  const everywhere = gather(state, signal, { ...options, targets: worst === undefined ? null : [worst.key.target] });
  const { ratio, values } = everywhere;
  const said = values === null ? '' : valuesPhrase(signal.spec, values);
  const about = ratio === null ? '' : `, about x${Number(ratio.toPrecision(3))}`;
  return {
    verdict: 'fail',
    sentence: `${titleOf(signal)} ${placesOf(everywhere)}: ${said}; ${worsePhrase(signal.spec)}${about}`,
  };
};

/** Of the whole scope, and of harm that was found on the target that shows it most. */
const saidOfDraws = ({ state, signal, options }: Case, targets = options.targets): string => {
  const named = new Set(state.spec.cells.map(({ target }) => target));
  const places = placesPhrase(
    [...named].filter((target) => targets?.includes(target) ?? true).map((target) => ({ target, model: '' })),
    [],
  );
  return `${titleOf(signal)} by instance ${places}: ${drawPhrase(signal.spec, armsByInstance(signal, targets))}`;
};

const failOfDraws = (all: Case): Finding => {
  const { harm = 1 } = all.signal.spec;
  const worst = worstTarget(all.signal);
  const said = saidOfDraws(all, worst === undefined ? null : [worst]);
  return { verdict: 'fail', sentence: `${said}; shown to be worse${harm === 1 ? '' : ` by more than x${harm}`}` };
};

/** Sentence parts of a guardrail: what was measured, and what of. */
const saidOf = ({ signal, counts, values }: Case): string =>
  values === null ? countsPhrase(counts) : valuesPhrase(signal.spec, values);

const MEASURED = {
  rate: 'request',
  invariant: 'request',
  mean: 'value',
  distribution: 'value',
  paired: 'pair',
} as const;

/** Targets of the scope on which one of the arms has none of what the signal measures. */
const blindTargets = ({ state, options, slices }: Case): readonly string[] => {
  const targets = options.targets ?? [...new Set(state.spec.cells.map(({ target }) => target))];
  return targets.filter((target) => {
    const { candidateRequests, controlRequests } = totals(slices.filter((slice) => slice.target === target));
    return candidateRequests === 0 || controlRequests === 0;
  });
};

/**
 * What is not measured, in words. Outcomes of requests come wherever there is traffic, and a stage waits for that by
 * itself; values, pairs and what a source counts come from wherever somebody measures, so each target has to have some of
 * its own.
 */
const unmeasured = (all: Case): string | undefined => {
  const { signal, counts } = all;
  const what = MEASURED[signal.spec.type];
  if (counts.candidateRequests === 0 || counts.controlRequests === 0)
    return `${what} measured on ${counts.candidateRequests === 0 ? 'the candidate' : 'control'}`;
  const blind = what === 'request' && !isCounted(signal.spec) ? [] : blindTargets(all);
  return blind.length === 0 ? undefined : `${what} measured on both arms of ${blind.join(', ')}`;
};

const isSuspicious = ({ state, signal }: Case): boolean =>
  signal.logE >= signal.logBound + Math.log(state.spec.alpha) + Math.log(SUSPICION);

const judgeGuardrail = (all: Case): Finding => {
  const { signal, counts, options, logPromote } = all;
  const { tolerate, minRequests = 1 } = options;
  const isDrawn = isByInstance(all.state.spec, signal.spec);
  if (signal.failedAt !== null && isDrawn) return failOfDraws(all);
  if (signal.failedAt !== null) return isOfValues(signal.spec) ? failOfValues(all) : failOfRate(all);
  const title = titleOf(signal);
  const missing = unmeasured(all);
  if (missing !== undefined) return { verdict: 'not-measured', sentence: `${title}: no ${missing} yet` };
  const said = isDrawn ? saidOfDraws(all) : `${title} ${placesOf(all)}: ${saidOf(all)}`;
  if (counts.candidateRequests < minRequests) {
    return { verdict: 'inconclusive', sentence: `${said}; ${needPhrase(counts.candidateRequests, minRequests)}` };
  }
  if (isSuspicious(all))
    return { verdict: 'inconclusive', sentence: `${said}; not shown harmful, but too suspicious to go on` };
  if (tolerate === null || logPromote === null) return { verdict: 'pass', sentence: `${said}; not shown harmful` };
  return logPromote >= -Math.log(PROMOTION_ALPHA)
    ? { verdict: 'pass', sentence: `${said}; shown to be ${withinPhrase(signal.spec, tolerate)}` }
    : { verdict: 'inconclusive', sentence: `${said}; not yet shown to be ${withinPhrase(signal.spec, tolerate)}` };
};

/** What the slice as a whole came to; of values only what they are since the rollout. */
const sinceOf = (all: Case): string =>
  all.values === null ? beforePhrase(all.counts) : sincePhrase(all.signal.spec, all.values.candidate);

/** Without arms: what a slice is now, against a limit and against what it was before. It never says that all is well. */
const judgeBefore = (all: Case): Finding => {
  const { signal, counts } = all;
  const said = `${titleOf(signal)} ${placesOf(all)}: ${sinceOf(all)}`;
  if (!isOfValues(signal.spec) && isWorseThanBefore(signal, counts))
    return { verdict: 'fail', sentence: `${said}; shown to be worse than before, which may have another cause` };
  return { verdict: 'inconclusive', sentence: `${said}; without arms it cannot show that the change is harmless` };
};

/** Evidence as far as the spread between units leaves it; it may go on while it is not shown harmful. */
const judgeArms = (all: Case): Finding => {
  const { signal, logPromote } = all;
  const spread = spreadOf(signal);
  return judgeGuardrail({ ...all, logPromote: logPromote === null ? null : logPromote / spread });
};

/** What a source counts: a limit first, then the arms, or the time before where there are none. */
const judgeCounted = (all: Case): Finding => {
  const { signal, counts, options } = all;
  if (counts.candidateRequests === 0)
    return { verdict: 'not-measured', sentence: `${titleOf(signal)}: nothing counted by ${signal.spec.source} yet` };
  const isPast = isPastLimit(signal, counts, options.targets === null ? null : membersOf(options.targets));
  const said = options.isBefore === true ? sinceOf(all) : saidOf(all);
  const { verdict, sentence }: Finding = isPast
    ? { verdict: 'fail', sentence: `${titleOf(signal)} ${placesOf(all)}: ${said}; ${limitPhrase(signal.spec)}` }
    : options.isBefore === true
      ? judgeBefore(all)
      : judgeArms(all);
  return { verdict, sentence: `${sentence}${countedPhrase(signal.spec, spreadOf(signal))}` };
};

const judgeInvariant = (all: Case, { candidate: violations, suspects = [] }: Violations): Finding => {
  const { signal, slices, counts, options } = all;
  const { minRequests = 1 } = options;
  const title = titleOf(signal);
  if (violations > 0) {
    // They may be on targets of another track, which is taken back together with this one.
    const hitOf = (places: readonly SliceCounts[]) => places.filter(({ candidateBad }) => candidateBad > 0);
    const own = hitOf(slices);
    const hit = own.length > 0 ? own : hitOf(options.counts);
    const where = hit.length === 0 ? '' : ` ${placesOf({ ...all, slices: hit })}`;
    const seen = `${violations} on the candidate, none on control in the look-back`;
    return { verdict: 'fail', sentence: `${title}${where}: ${seen}; it must never be seen${alsoPhrase(suspects)}` };
  }
  if (counts.candidateRequests === 0)
    return { verdict: 'not-measured', sentence: `${title}: no request measured on the candidate yet` };
  const said = `${title} ${placesOf(all)}: none in ${whole(counts.candidateRequests)} on the candidate`;
  return counts.candidateRequests < minRequests
    ? { verdict: 'inconclusive', sentence: `${said}; ${needPhrase(counts.candidateRequests, minRequests)}` }
    : { verdict: 'pass', sentence: `${said}; not shown harmful` };
};

const MIXED = ' (control violates it too, so it is judged as a rate)';

const METHODS = {
  rate: 'rate-grid-v1',
  mean: 'mean-bet-v1',
  distribution: 'distribution-bet-v1',
  paired: 'paired-grid-v1',
} as const;

const methodOf = ({ spec }: RolloutEvidence, signal: SignalEvidence['spec']): GateMethod => {
  const { type, frequent } = signal;
  if (isByInstance(spec, signal)) return 'instance-permutation-v1';
  if (frequent === true) return 'rate-odds-v1';
  return type === 'invariant' ? 'invariant-v1' : METHODS[type];
};

const find = (all: Case): Finding & Pick<Verdict, 'method'> => {
  const { spec } = all.signal;
  if (isCounted(spec)) return { ...judgeCounted(all), method: countedMethod(spec, all.options.isBefore === true) };
  if (spec.type !== 'invariant') return { ...judgeGuardrail(all), method: methodOf(all.state, spec) };
  const violations = all.options.violations ?? { candidate: 0, controlInLookback: 0 };
  const { candidate, controlInLookback, explained = 0, suspects = [] } = violations;
  if (controlInLookback === 0 && (candidate > 0 || explained === 0))
    return { ...judgeInvariant(all, violations), method: 'invariant-v1' };
  const { verdict, sentence } = judgeGuardrail(all);
  const why = controlInLookback > 0 ? MIXED : explainedPhrase(explained, suspects);
  const method = isByInstance(all.state.spec, spec) ? 'instance-permutation-v1' : 'rate-grid-v1';
  return { verdict, sentence: `${sentence}${why}`, method };
};

/**
 * Judges one signal on the evidence folded so far. Harm is found over the whole rollout and stays found (`fail` wins);
 * samples, margins and estimates are those of `targets`. Throws a RangeError for a signal or margin that was not
 * declared when the evidence started.
 */
export const judge = (state: RolloutEvidence, name: string, options: JudgeOptions): Verdict => {
  const signal = state.signals.get(name);
  if (signal === undefined) {
    throw new RangeError(
      `Signal ${name} was not declared when the evidence started: judge ${[...state.signals.keys()].join(', ')}.`,
    );
  }
  const all = gather(state, signal, options);
  const { verdict, sentence, method } = find(all);
  return {
    signal: name,
    verdict,
    method,
    scope: options.targets === null ? { kind: 'rollout' } : { kind: 'targets', targets: options.targets },
    shadow: signal.spec.shadow,
    look: state.look,
    counts: all.counts,
    values: all.values,
    ratio: all.ratio,
    interval: all.interval,
    logE: signal.logE,
    maxLogE: signal.maxLogE,
    logBound: signal.logBound,
    logPromote: all.logPromote,
    tolerate: options.tolerate,
    proved: all.proved.map(({ key }) => key),
    sentence,
  };
};
