import {
  gather,
  INTERVAL_ALPHA,
  placesOf,
  PROMOTION_ALPHA,
  saidOf,
  titleOf,
  totals,
  type Case,
  type Finding,
} from './judge-case.js';
import { judgeCounted } from './judge-counted.js';
import { confidenceSequence } from '#libs/statistics';
import { countedMethod } from './counted.js';
import { armsByInstance, isByInstance, worstTarget } from './instances.js';
import type { RolloutEvidence, SignalEvidence } from './state.js';
import {
  alsoPhrase,
  countsPhrase,
  drawPhrase,
  explainedPhrase,
  harmPhrase,
  needPhrase,
  placesPhrase,
  valuesPhrase,
  whole,
  withinPhrase,
  worsePhrase,
} from './sentence.js';
import { likelihoodOfTally } from './tally.js';
import {
  type GateMethod,
  isCounted,
  isOfValues,
  type JudgeOptions,
  type SliceCounts,
  type Verdict,
  type Violations,
} from './types.js';
import { keyOf } from './weights.js';

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

/** Rollouts that were planned before decision 45 bear more, the more signals they have. */
const EARLIER_SUSPICION = 10;

const isSuspicious = ({ state: { spec }, signal }: Case): boolean => {
  const earlier = Math.log(EARLIER_SUSPICION) + signal.logBound + Math.log(spec.alpha);
  return signal.logE >= (spec.suspicion === undefined ? earlier : Math.log(spec.suspicion));
};

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
  if (isCounted(spec))
    return { ...judgeCounted(all, judgeGuardrail), method: countedMethod(spec, all.options.isBefore === true) };
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
