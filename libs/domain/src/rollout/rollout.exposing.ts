import type { InstanceDraw, RecordedVerdict, RolloutEvent } from '../events/index.js';
import { letGoOf } from './let-go.js';
import type { Draws } from './rollout.instances.js';
import type { Facts } from './rollout.facts.js';
import { rollbackOrder } from './rollout.order.js';
import type { Rollout } from './rollout.state.js';
import { isLeaving, targetsOf, type Track } from './tracks.js';

type Subject = { readonly id: string; readonly config: string; readonly revision: number };
type Controls = Readonly<Record<string, number>>;

export const requestExposure = (
  rollout: Subject & { readonly targets: Readonly<Record<string, { readonly control: number }>> },
  target: string,
  shareBp: number,
  purpose: 'stage' | 'settle' | 'rollback',
  instances: InstanceDraw | null = null,
): RolloutEvent => ({
  type: 'ExposureRequested',
  data: {
    rollout: rollout.id,
    target,
    config: rollout.config,
    candidate: rollout.revision,
    control: rollout.targets[target]?.control ?? 1,
    shareBp,
    purpose,
    instances,
  },
});

/** Enters a stage of a track: the stage, then what it asks of each target. */
export const enterStage = (
  rollout: Subject,
  controls: Controls,
  track: Track,
  index: number,
  draws: Draws,
): RolloutEvent[] => {
  const stage = track.stages[index];
  if (!stage) return [];
  const targets = Object.fromEntries(Object.entries(controls).map(([target, control]) => [target, { control }]));
  return [
    {
      type: 'StageEntered',
      data: { rollout: rollout.id, track: track.name, stage: stage.name, exposureBp: stage.exposureBp },
    },
    ...track.targets.map(({ target }) => {
      const { shareBp, instances } = draws(target, stage.exposureBp);
      return requestExposure({ ...rollout, targets }, target, shareBp, 'stage', instances);
    }),
  ];
};

/** Every verdict with its newest counts: what was known when a stage ended, changed or not. */
export const standingVerdicts = (rollout: string, verdicts: readonly RecordedVerdict[]): RolloutEvent[] =>
  verdicts.map((verdict) => ({ type: 'VerdictRecorded', data: { rollout, verdict } }));

type TakeBack = {
  readonly cause: 'degradation' | 'abort';
  readonly reason: string;
  /** Null: all that is left of the rollout. */
  readonly track: Track | null;
  readonly onCandidate: Facts['onCandidate'];
};

/**
 * Takes the candidate back from every target that was asked to show it, or from those of one track, all at once. The
 * order is that of the requests, and so of the first attempts: nobody waits for another one's answer.
 */
export const takeBack = (rollout: Rollout, { cause, reason, track, onCandidate }: TakeBack): RolloutEvent[] => {
  // What it let go of before, others may have by now.
  const gone = letGoOf(rollout);
  const leaving = Object.entries(rollout.targets)
    .filter(([, progress]) => progress.wanted !== null && !isLeaving(progress))
    .filter(([target]) => isOf(track, target) && !gone.includes(target))
    .map(([target]) => target);
  const { targets, order } = rollbackOrder(rollout, leaving, onCandidate);
  const data = { rollout: rollout.id, cause, reason, targets, track: track?.name ?? null, order };
  return [
    { type: 'RollbackStarted', data },
    ...targets.map((target) => requestExposure(rollout, target, 0, 'rollback')),
  ];
};

const isOf = (track: Track | null, target: string): boolean => track === null || targetsOf([track]).includes(target);

export const controlsOf = (rollout: Rollout): Controls =>
  Object.fromEntries(Object.entries(rollout.targets).map(([target, { control }]) => [target, control]));
