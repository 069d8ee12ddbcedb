import { reject, type Rejection } from '#libs/kernel';
import type { ResolvedPlan } from '../events/index.js';

type Tolerate = number | 'none';

/** A plan as its manifest says it, defaults filled in; times in ms, shares in basis points. */
export type PlanSpec = {
  readonly alpha: number;
  readonly holdback: number;
  readonly holdbackReason?: string | undefined;
  readonly watch: number;
  readonly drain: number;
  readonly grace: number;
  readonly signals: readonly {
    readonly signal: string;
    readonly harm: number;
    readonly tolerate?: Tolerate | undefined;
    readonly weight: number;
    readonly shadow: boolean;
  }[];
  readonly tracks: readonly {
    readonly name: string;
    readonly targets: readonly string[] | Readonly<Record<string, string>>;
    readonly after?: string | undefined;
    readonly stages: readonly {
      readonly exposure: number;
      readonly bake: number;
      readonly activation: number;
      readonly samples: number;
      readonly tolerate: Readonly<Record<string, Tolerate>>;
    }[];
  }[];
};

export type KnownTarget = {
  readonly target: string;
  readonly platform: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly string[];
};
export type KnownSignal = { readonly signal: string; readonly type: 'invariant' | 'rate'; readonly title: string };

const DEFAULT_SETTLE_MARGIN = 1.5;

/** The margin asked of a stage when the plan names none. */
export const defaultMargin = (exposureBp: number): number | null => {
  if (exposureBp < 500) return null;
  if (exposureBp < 2_500) return 3;
  return exposureBp < 10_000 ? 2 : DEFAULT_SETTLE_MARGIN;
};

export const stageName = (exposureBp: number): string => `${Number((exposureBp / 100).toFixed(2))}%`;

const duplicate = (names: readonly string[]): string | undefined =>
  names.find((name, index) => names.indexOf(name) !== index);

const faults = (code: string, pointer: string, message: string): Rejection[] => {
  const decision = reject(code, message, pointer);
  return decision.accepted ? [] : [decision.rejection];
};

const stageFaults = (plan: PlanSpec): Rejection[] =>
  plan.tracks.flatMap((track, t) =>
    track.stages.flatMap((stage, s) => {
      const at = `/spec/tracks/${t}/stages/${s}`;
      const previous = track.stages[s - 1];
      const last = s === track.stages.length - 1;
      const unknown = Object.keys(stage.tolerate).find((name) => !plan.signals.some(({ signal }) => signal === name));
      return [
        ...(stage.exposure === 0
          ? faults(
              'exposure-out-of-range',
              `${at}/exposure`,
              `Stage ${s + 1} of track ${track.name} exposes nothing: give it a share above 0%.`,
            )
          : []),
        ...(previous && stage.exposure <= previous.exposure
          ? faults(
              'exposure-shrinks',
              `${at}/exposure`,
              `Stage ${stageName(stage.exposure)} of track ${track.name} comes after ${stageName(previous.exposure)}: each stage must expose more than the one before.`,
            )
          : []),
        ...(last && stage.exposure !== 10_000
          ? faults(
              'plan-stops-short',
              `${at}/exposure`,
              `Track ${track.name} ends at ${stageName(stage.exposure)}: its last stage must be 100% (the holdback stays on control).`,
            )
          : []),
        ...(s === 0 && stage.exposure - plan.holdback === 10_000
          ? faults(
              'stage-never-measures',
              `${at}/exposure`,
              `Track ${track.name} starts at 100% without a holdback, so there is never a control to measure against: begin with a smaller stage, or keep a holdback.`,
            )
          : []),
        ...(unknown === undefined
          ? []
          : faults(
              'signal-not-in-plan',
              `${at}/tolerate/${unknown}`,
              `Signal ${unknown} is not in this plan: add it under spec.signals.`,
            )),
      ];
    }),
  );

const afterOf = (after: string): { readonly track: string; readonly stage: string } => {
  const slash = after.indexOf('/');
  return slash < 0 ? { track: after, stage: '100%' } : { track: after.slice(0, slash), stage: after.slice(slash + 1) };
};

const waitsForItself = (plan: PlanSpec, name: string): boolean => {
  const seen = new Set<string>();
  let current: string | undefined = name;
  while (current !== undefined && !seen.has(current)) {
    seen.add(current);
    const after: string | undefined = plan.tracks.find((track) => track.name === current)?.after;
    current = after === undefined ? undefined : afterOf(after).track;
    if (current === name) return true;
  }
  return false;
};

const trackFaults = (plan: PlanSpec): Rejection[] =>
  plan.tracks.flatMap((track, t) => {
    if (track.after === undefined) return [];
    const pointer = `/spec/tracks/${t}/after`;
    const { track: name, stage } = afterOf(track.after);
    const other = plan.tracks.find((candidate) => candidate.name === name);
    if (!other)
      return faults(
        'track-not-found',
        pointer,
        `Track ${track.name} waits for ${name}, which is not a track of this plan.`,
      );
    if (!other.stages.some(({ exposure }) => stageName(exposure) === stage)) {
      const names = other.stages.map(({ exposure }) => stageName(exposure)).join(', ');
      return faults(
        'stage-not-found',
        pointer,
        `Track ${track.name} waits for ${name}/${stage}; the stages of ${name} are ${names}.`,
      );
    }
    return waitsForItself(plan, track.name)
      ? faults(
          'track-cycle',
          pointer,
          `Track ${track.name} waits for itself by way of ${name}: break the circle of "after".`,
        )
      : [];
  });

/** What is wrong with a plan taken by itself; each fault names its field. */
export const planFaults = (plan: PlanSpec): readonly Rejection[] => {
  const twiceTrack = duplicate(plan.tracks.map(({ name }) => name));
  const twiceSignal = duplicate(plan.signals.map(({ signal }) => signal));
  return [
    ...(twiceTrack === undefined
      ? []
      : faults('duplicate-track', '/spec/tracks', `Two tracks are called ${twiceTrack}: rename one.`)),
    ...(twiceSignal === undefined
      ? []
      : faults('duplicate-signal', '/spec/signals', `Signal ${twiceSignal} is listed twice: remove one.`)),
    ...(plan.signals.every(({ shadow }) => shadow)
      ? faults(
          'nothing-guards',
          '/spec/signals',
          'Every signal is a shadow: a plan needs at least one that may decide.',
        )
      : []),
    ...(plan.holdback === 0 && plan.holdbackReason === undefined
      ? faults(
          'holdback-reason-missing',
          '/spec/holdbackReason',
          'Without a holdback the watch is only observational: say why (holdbackReason).',
        )
      : []),
    ...(plan.holdback > 5_000
      ? faults('holdback-out-of-range', '/spec/holdback', 'The holdback may be 0% to 50%.')
      : []),
    ...stageFaults(plan),
    ...trackFaults(plan),
  ];
};

const matches = (target: KnownTarget, labels: Readonly<Record<string, string>>): boolean =>
  Object.entries(labels).every(([label, value]) =>
    label === 'platform' ? target.platform === value : target.labels[label] === value,
  );

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
        .filter(({ type }) => type === 'rate')
        .map(({ signal }) => {
          const inPlan = spec.signals.find((candidate) => candidate.signal === signal)?.tolerate;
          const own: Tolerate | undefined = stage.tolerate[signal];
          const unaskable = (own === undefined && stage.exposure < 500) || stage.exposure - spec.holdback === 10_000;
          return [signal, unaskable ? null : marginOf(own ?? inPlan, defaultMargin(stage.exposure))];
        }),
    ),
  })),
});

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
    const { harm, weight, shadow, tolerate } = wanted;
    const observational = spec.holdback === 0;
    const settleTolerate = known.type === 'rate' && !observational ? marginOf(tolerate, DEFAULT_SETTLE_MARGIN) : null;
    signals.push({ ...known, harm, weight, shadow, settleTolerate });
  }
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
  const { alpha, holdback: holdbackBp, watch: watchMs, drain: drainMs, grace: graceMs } = spec;
  return {
    plan: { plan: name, planRevision: revision, alpha, holdbackBp, watchMs, drainMs, graceMs, signals, tracks },
  };
};
