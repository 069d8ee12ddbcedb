import type { InstanceDraw, RolloutEvent } from '../events/index.js';
import type { Draws } from './rollout.instances.js';
import type { Track } from './tracks.js';

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
