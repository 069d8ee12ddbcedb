import type { RecordedVerdict, ResolvedPlan } from '../events/index.js';
import type { EvidenceSpec, Verdict } from '../gate/index.js';
import { trackOf, type Rollout } from '../rollout/index.js';
import { WATCH } from '../rollout/rollout.missing.js';

const marginsOf = (plan: ResolvedPlan): number[] => {
  const margins = new Set<number>();
  for (const { settleTolerate } of plan.signals) if (settleTolerate !== null) margins.add(settleTolerate);
  for (const track of plan.tracks) {
    for (const stage of track.stages)
      for (const margin of Object.values(stage.tolerate)) if (margin !== null) margins.add(margin);
  }
  return [...margins].toSorted((a, b) => a - b);
};

/** What the gate is told when a rollout starts: its signals, every slice of its plan and every margin asked in it. */
export const evidenceSpecOf = (rollout: Pick<Rollout, 'plan' | 'assignment'>): EvidenceSpec => ({
  alpha: rollout.plan.alpha,
  assignment: rollout.assignment,
  signals: rollout.plan.signals.map(({ signal, type, harm, shadow, weight, title }) => ({
    signal,
    type,
    harm,
    shadow,
    weight,
    title,
  })),
  cells: rollout.plan.tracks.flatMap(({ targets }) =>
    targets.flatMap(({ target, models }) => models.map((model) => ({ target, model }))),
  ),
  margins: marginsOf(rollout.plan),
  groups: [null, ...rollout.plan.tracks.map(({ targets }) => targets.map(({ target }) => target))],
});

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

const stagedScopes = (rollout: Rollout): readonly JudgedScope[] =>
  rollout.plan.tracks.flatMap((track): JudgedScope[] => {
    const stage = track.stages[trackOf(rollout, track.name).stage];
    if (!stage) return [];
    const { name, samples, tolerate } = stage;
    const targets = track.targets.map(({ target }) => target);
    return [{ track: track.name, stage: name, targets, samples, tolerate: (signal) => tolerate[signal] ?? null }];
  });

/**
 * What must be judged now: each track that is in a stage by its own margins, or else the whole rollout. So nothing is
 * exposed without a judgement: not in the watch, nor while a pause keeps the next track from starting.
 */
export const judgedScopes = (rollout: Rollout): readonly JudgedScope[] => {
  const staged = rollout.status === 'staging' ? stagedScopes(rollout) : [];
  if (staged.length > 0) return staged;
  const settle = (signal: string): number | null =>
    rollout.plan.signals.find((candidate) => candidate.signal === signal)?.settleTolerate ?? null;
  return [{ track: null, stage: WATCH, targets: null, samples: 1, tolerate: settle }];
};

/** How long violations on control count against the claim that an invariant is never violated there. */
export const LOOK_BACK_MS = 24 * 3_600_000;

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
  ratio: verdict.ratio,
  interval: verdict.interval === null ? null : [verdict.interval[0], verdict.interval[1]],
  logE: verdict.logE,
  logBound: verdict.logBound,
  look: verdict.look,
  digest,
});
