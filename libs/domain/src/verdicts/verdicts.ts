import type { RecordedVerdict, ResolvedPlan } from '../events/index.js';
import type {
  ArmValues,
  EvidenceSpec,
  Look,
  RolloutEvidence,
  SliceCounts,
  Verdict,
  Violations,
} from '../gate/index.js';
import { foldLook, isOfValues, judge, startEvidence } from '../gate/index.js';
import { liveTracks, trackOf, type Rollout } from '../rollout/index.js';
import { targetsOf, type Track } from '../rollout/tracks.js';
import { WATCH } from '../rollout/rollout.missing.js';

type RecordedArm = NonNullable<NonNullable<RecordedVerdict['values']>['candidate']>;

const marginsOf = (plan: ResolvedPlan): number[] => {
  const margins = new Set<number>();
  for (const { settleTolerate } of plan.signals) if (settleTolerate !== null) margins.add(settleTolerate);
  for (const track of plan.tracks) {
    for (const stage of track.stages)
      for (const margin of Object.values(stage.tolerate)) if (margin !== null) margins.add(margin);
  }
  return [...margins].toSorted((a, b) => a - b);
};

const evidenceSpec = (
  { plan, assignment }: Pick<Rollout, 'plan' | 'assignment'>,
  tracks: readonly Track[],
  alpha: number,
): EvidenceSpec => ({
  alpha,
  assignment,
  signals: plan.signals.map(({ signal, type, harm, shadow, weight, title, frequent, worse, unit, source, limit }) => ({
    signal,
    type,
    harm,
    shadow,
    weight,
    title,
    // Where first bad events of units count, nothing is known of how many units were not bad: they are judged as rare.
    ...(frequent && (assignment === 'request' || source !== null) ? { frequent } : {}),
    ...(isOfValues({ type }) ? { worse, ...(unit === null ? {} : { unit }) } : {}),
    ...(source === null ? {} : { source, ...(limit === null ? {} : { limit }) }),
  })),
  cells: tracks.flatMap(({ targets }) =>
    targets.flatMap(({ target, models }) => models.map((model) => ({ target, model }))),
  ),
  margins: marginsOf(plan),
  groups: [null, ...tracks.map(({ targets }) => targets.map(({ target }) => target))],
  // An unlucky draw of instances stays: what it seems to say does not go away with more traffic.
  ...(assignment === 'instance' ? {} : { suspicion: plan.suspicion }),
});

/** The evidence of what is taken back together: of a whole rollout, or of one of its tracks. */
export type EvidencePool = {
  /** Null: the whole rollout. */
  readonly track: string | null;
  readonly targets: readonly string[];
  readonly evidence: RolloutEvidence;
};

/**
 * Evidence before the first look, in as many pools as can be taken back by themselves: one for all of the rollout, or
 * one for each track. Tracks share alpha evenly, so that all of them together keep the bound (union bound).
 */
export const startPools = (rollout: Pick<Rollout, 'plan' | 'assignment'>): readonly EvidencePool[] => {
  const { alpha, rollbackScope, tracks } = rollout.plan;
  const startOf = (own: readonly Track[], share: number) => startEvidence(evidenceSpec(rollout, own, share));
  if (rollbackScope === 'rollout')
    return [{ track: null, targets: targetsOf(tracks), evidence: startOf(tracks, alpha) }];
  return tracks.map((track) => ({
    track: track.name,
    targets: targetsOf([track]),
    evidence: startOf([track], alpha / tracks.length),
  }));
};

/** Folds a look into the pools, each what arrived on its targets. */
export const foldPools = (pools: readonly EvidencePool[], { look, cells }: Look): void => {
  for (const { track, targets, evidence } of pools)
    foldLook(evidence, {
      look,
      cells: track === null ? cells : cells.filter(({ target }) => targets.includes(target)),
    });
};

/** One thing to judge every signal about: a track in its stage, or with `track` and `targets` null the whole rollout. */
export type JudgedScope = {
  readonly track: string | null;
  readonly stage: string | null;
  readonly targets: readonly string[] | null;
  /** Candidate requests without which nothing passes. */
  readonly samples: number;
  /** The margin that a signal must be shown to be below to go on; null asks for none. */
  readonly tolerate: (signal: string) => number | null;
};

const scopeOf = (track: Track, stage: Track['stages'][number]): JudgedScope => {
  const { name, samples, tolerate } = stage;
  const targets = targetsOf([track]);
  return { track: track.name, stage: name, targets, samples, tolerate: (signal) => tolerate[signal] ?? null };
};

const stagedScope = (rollout: Rollout, track: Track): JudgedScope | undefined => {
  const stage = track.stages[trackOf(rollout, track.name).stage];
  return stage && scopeOf(track, stage);
};

const watchScope = (rollout: Rollout, track: Track | null): JudgedScope => ({
  track: track?.name ?? null,
  stage: WATCH,
  targets: track === null ? null : targetsOf([track]),
  samples: 1,
  tolerate: (signal) => rollout.plan.signals.find((candidate) => candidate.signal === signal)?.settleTolerate ?? null,
});

/**
 * What must be judged now: each track that is in a stage by its own margins, or else the whole rollout. So nothing is
 * exposed without a judgement: not in the watch, nor while a pause keeps the next track from starting. Where tracks are
 * taken back alone, each one that has begun is judged by itself, from its first stage to the end of the watch.
 */
export const judgedScopes = (rollout: Rollout): readonly JudgedScope[] => {
  const staging = rollout.status === 'staging';
  if (rollout.plan.rollbackScope === 'track') {
    return liveTracks(rollout)
      .filter(({ name }) => trackOf(rollout, name).stage >= 0)
      .map((track) => (staging ? stagedScope(rollout, track) : undefined) ?? watchScope(rollout, track));
  }
  const staged = staging ? rollout.plan.tracks.flatMap((track) => stagedScope(rollout, track) ?? []) : [];
  return staged.length > 0 ? staged : [watchScope(rollout, null)];
};

/** The scope that a verdict names; undefined where the plan has no such track or stage. */
export const scopeNamed = (rollout: Rollout, track: string | null, stage: string | null): JudgedScope | undefined => {
  const own = rollout.plan.tracks.find(({ name }) => name === track);
  if (stage === WATCH) return track !== null && own === undefined ? undefined : watchScope(rollout, own ?? null);
  const named = own?.stages.find(({ name }) => name === stage);
  return own && named && scopeOf(own, named);
};

/** The pool by which a scope is judged. Throws a RangeError for a track that the plan does not have. */
export const poolOf = (pools: readonly EvidencePool[], scope: JudgedScope): EvidencePool => {
  const pool = pools.find(({ track }) => track === null || track === scope.track);
  if (pool === undefined) throw new RangeError(`Track ${scope.track} has no evidence: it is not in the plan.`);
  return pool;
};

/** Judges one signal in one scope on the evidence of its pool. Violations are those on the pool's targets. */
export const judgeScope = (
  pool: EvidencePool,
  scope: JudgedScope,
  signal: string,
  counted: {
    readonly counts: readonly SliceCounts[];
    readonly violations?: Violations | undefined;
    /** The counts of control are those before the rollout. */
    readonly isBefore?: boolean | undefined;
  },
): Verdict =>
  judge(pool.evidence, signal, {
    tolerate: scope.tolerate(signal),
    targets: scope.targets,
    minRequests: Math.max(1, scope.samples),
    counts: pool.track === null ? counted.counts : counted.counts.filter(({ target }) => pool.targets.includes(target)),
    ...(counted.violations === undefined ? {} : { violations: counted.violations }),
    ...(counted.isBefore === undefined ? {} : { isBefore: counted.isBefore }),
  });

/** How long violations on control count against the claim that an invariant is never violated there. */
export const LOOK_BACK_MS = 24 * 3_600_000;

const armOf = (arm: ArmValues | null): RecordedArm | null =>
  arm && { ...arm, quantiles: arm.quantiles === null ? null : [...arm.quantiles] };

const valuesOf = ({ values }: Verdict): RecordedVerdict['values'] =>
  values && { candidate: armOf(values.candidate), control: armOf(values.control) };

/** A verdict as an event holds it: with where it was asked, its sentence and the digest of the folded looks. */
export const recordedVerdict = (
  verdict: Verdict,
  scope: JudgedScope,
  { digest, sentence }: { readonly digest: string; readonly sentence: string },
): RecordedVerdict => ({
  signal: verdict.signal,
  track: scope.track,
  stage: scope.stage,
  verdict: verdict.verdict,
  shadow: verdict.shadow,
  sentence,
  method: verdict.method,
  counts: { ...verdict.counts },
  values: valuesOf(verdict),
  ratio: verdict.ratio,
  interval: verdict.interval === null ? null : [verdict.interval[0], verdict.interval[1]],
  logE: verdict.logE,
  logBound: verdict.logBound,
  look: verdict.look,
  digest,
});
