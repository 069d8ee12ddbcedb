import type { Rejection } from '#libs/kernel';
import type { ResolvedPlan } from '../events/index.js';
import { planFaults } from './plan.faults.js';
import { matches } from './plan.gaps.js';
import { afterOf, stageName } from './plan.names.js';
import { paritySignals, wrongForParity } from './plan.parity.js';
import type { KnownSignal, KnownTarget, PlanSpec, Tolerate } from './plan.types.js';

const DEFAULT_SETTLE_MARGIN = 1.5;

/** While a signal's evidence speaks so many times for harm, nothing goes on: decision 45. */
const SUSPICION = 10;

/** The margin asked of a stage when the plan names none. */
export const defaultMargin = (exposureBp: number): number | null => {
  if (exposureBp < 500) return null;
  if (exposureBp < 2_500) return 3;
  return exposureBp < 10_000 ? 2 : DEFAULT_SETTLE_MARGIN;
};

const marginOf = (tolerate: Tolerate | undefined, fallback: number | null): number | null => {
  if (tolerate === 'none') return null;
  return tolerate ?? fallback;
};

type Catalogue = { readonly targets: readonly KnownTarget[]; readonly signals: readonly KnownSignal[] };

const chooseTargets = (
  track: PlanSpec['tracks'][number],
  index: number,
  { targets }: Catalogue,
): readonly KnownTarget[] | Rejection => {
  const pointer = `/spec/tracks/${index}/targets`;
  const wanted = track.targets;
  if (Array.isArray(wanted)) {
    const names: readonly string[] = wanted;
    const missing = names.find((name) => !targets.some(({ target }) => target === name));
    if (missing !== undefined) {
      return {
        code: 'target-not-found',
        message: `Track ${track.name} names target ${missing}, which is not registered. Apply its manifest first.`,
        field: pointer,
      };
    }
    return targets.filter(({ target }) => names.includes(target));
  }
  const chosen = targets.filter((target) => matches(target, wanted as Readonly<Record<string, string>>));
  return chosen.length > 0
    ? chosen
    : {
        code: 'target-not-found',
        message: `No registered target has the labels that track ${track.name} selects.`,
        field: pointer,
      };
};

const resolveTrack = (
  spec: PlanSpec,
  track: PlanSpec['tracks'][number],
  chosen: readonly KnownTarget[],
  signals: ResolvedPlan['signals'],
): ResolvedPlan['tracks'][number] => ({
  name: track.name,
  after: track.after === undefined ? null : afterOf(track.after),
  parity: (track.parity ?? []).map(({ signal, between, within }) => ({
    signal,
    between: [between[0], between[1]],
    withinBp: within,
  })),
  targets: chosen.map(({ target, models, labels }) => ({
    target,
    models: [...models],
    hardware: labels['hardware'] ?? null,
  })),
  stages: track.stages.map((stage) => ({
    name: stageName(stage.exposure),
    exposureBp: Math.min(stage.exposure, 10_000 - spec.holdback),
    bakeMs: stage.bake,
    activation: stage.activation,
    samples: stage.samples,
    tolerate: Object.fromEntries(
      signals
        .filter(({ type }) => type !== 'invariant')
        .map(({ signal }) => {
          const inPlan = spec.signals.find((candidate) => candidate.signal === signal)?.tolerate;
          const own: Tolerate | undefined = stage.tolerate[signal];
          const unaskable = (own === undefined && stage.exposure < 500) || stage.exposure - spec.holdback === 10_000;
          return [signal, unaskable ? null : marginOf(own ?? inPlan, defaultMargin(stage.exposure))];
        }),
    ),
  })),
});

const convergenceOf = ({ convergence = 'all' }: PlanSpec): ResolvedPlan['convergence'] =>
  convergence === 'all' ? null : { quorumBp: convergence.quorum, withinMs: convergence.within };

const parityRejection = (name: string, spec: PlanSpec, { signals }: Catalogue): Rejection | undefined => {
  for (const { signal, field } of paritySignals(spec)) {
    const known = signals.find((each) => each.signal === signal);
    if (known === undefined) {
      const message = `Plan ${name} asks for parity by signal ${signal}, which is not registered. Apply its manifest first.`;
      return { code: 'signal-not-found', message, field };
    }
    const wrong = wrongForParity(known);
    if (wrong !== undefined) return { code: 'signal-not-paired', message: `Plan ${name} ${wrong}.`, field };
  }
  return undefined;
};

const wayBack = ({ rollbackOrder, leftovers }: PlanSpec): Pick<ResolvedPlan, 'rollbackOrder' | 'leftovers'> => ({
  ...(rollbackOrder === undefined
    ? {}
    : { rollbackOrder: typeof rollbackOrder === 'string' ? rollbackOrder : [...rollbackOrder] }),
  ...(leftovers === undefined ? {} : { leftovers }),
});

/** An order of targets of which the plan does not have each, or one of them twice, is none. */
const orderRejection = (
  name: string,
  { rollbackOrder }: PlanSpec,
  known: ReadonlyMap<string, string>,
): Rejection | undefined => {
  if (rollbackOrder === undefined || typeof rollbackOrder === 'string') return undefined;
  const at = rollbackOrder.findIndex((target, index) => !known.has(target) || rollbackOrder.indexOf(target) !== index);
  if (at < 0) return undefined;
  const target = rollbackOrder[at] ?? '';
  const message = known.has(target)
    ? `Plan ${name} names target ${target} twice in the order of its rollback: name it once.`
    : `Plan ${name} names target ${target} in the order of its rollback, and none of its tracks has it: correct the name, or leave it out.`;
  return {
    code: known.has(target) ? 'duplicate-target' : 'target-not-found',
    message,
    field: `/spec/rollbackOrder/${at}`,
  };
};

/** Chooses targets and fills in margins, so that a rollout pins all of it. A rejection names the plan's field. */
export const resolvePlan = (
  name: string,
  revision: number,
  spec: PlanSpec,
  catalogue: Catalogue,
): { readonly plan: ResolvedPlan } | { readonly rejection: Rejection } => {
  const [fault] = planFaults(spec);
  if (fault) return { rejection: fault };
  const signals: ResolvedPlan['signals'] = [];
  for (const [index, wanted] of spec.signals.entries()) {
    const known = catalogue.signals.find(({ signal }) => signal === wanted.signal);
    if (!known) {
      const message = `Plan ${name} uses signal ${wanted.signal}, which is not registered. Apply its manifest first.`;
      return { rejection: { code: 'signal-not-found', message, field: `/spec/signals/${index}/signal` } };
    }
    const { harm, weight, shadow, tolerate, missing = 'hold', grace: graceMs = null } = wanted;
    const observational = spec.holdback === 0;
    const settleTolerate =
      known.type !== 'invariant' && !observational ? marginOf(tolerate, DEFAULT_SETTLE_MARGIN) : null;
    const { signal, type, title, frequent = false, worse = 'higher', range, unit = null, delay, source } = known;
    // What no bound covers does not take anything back unless it is told to.
    const { onFail = source === undefined ? 'roll-back' : 'hold', limit = null } = wanted;
    const kind = {
      signal,
      title,
      type,
      frequent,
      worse,
      unit,
      range: range === undefined ? null : ([...range] as [number, number]),
    };
    if (limit !== null && source === undefined) {
      const message = `Plan ${name} sets a limit for ${signal}, which comes as outcomes: a limit is for signals that a source counts. Leave it out; harm compares it with control.`;
      return { rejection: { code: 'limit-needs-source', message, field: `/spec/signals/${index}/limit` } };
    }
    const delayMs = delay ?? null;
    const policy = { delayMs, missing, graceMs, onFail, limit, source: source?.type ?? null };
    signals.push({ ...kind, harm, weight, shadow, settleTolerate, ...policy });
  }
  const unfit = parityRejection(name, spec, catalogue);
  if (unfit) return { rejection: unfit };
  const tracks: ResolvedPlan['tracks'] = [];
  const owner = new Map<string, string>();
  for (const [index, track] of spec.tracks.entries()) {
    const chosen = chooseTargets(track, index, catalogue);
    if (!Array.isArray(chosen)) return { rejection: chosen as Rejection };
    const targets: readonly KnownTarget[] = chosen;
    const twice = targets.find(({ target }) => owner.has(target));
    if (twice) {
      const message = `Target ${twice.target} is in track ${owner.get(twice.target)} and in track ${track.name}: it can be in one only.`;
      return { rejection: { code: 'target-in-two-tracks', message, field: `/spec/tracks/${index}/targets` } };
    }
    for (const { target } of targets) owner.set(target, track.name);
    tracks.push(resolveTrack(spec, track, targets, signals));
  }
  const stray = orderRejection(name, spec, owner);
  if (stray) return { rejection: stray };
  const { alpha, holdback: holdbackBp, watch: watchMs, drain: drainMs, grace: graceMs } = spec;
  const { rollbackScope = 'rollout', acceptBlind = null } = spec;
  const convergence = convergenceOf(spec);
  const policy = { rollbackScope, convergence, acceptBlind, suspicion: SUSPICION, ...wayBack(spec) };
  const rest = { holdbackBp, watchMs, drainMs, graceMs, ...policy, signals, tracks };
  return { plan: { plan: name, planRevision: revision, alpha, ...rest } };
};
