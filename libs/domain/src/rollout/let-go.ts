import { isOver, type Rollout } from './rollout.state.js';
import { blockedBy, isClear, isLeaving, isTakenBack, liveTargets, targetsOf } from './tracks.js';

const isClearOn = (rollout: Rollout, targets: readonly string[]): boolean =>
  targets.every((target) => {
    const progress = rollout.targets[target];
    return progress === undefined || isClear(progress);
  });

const isAskedBack = ({ targets }: Rollout, target: string): boolean => {
  const progress = targets[target];
  return progress !== undefined && isLeaving(progress);
};

/** The targets of tracks taken back alone, and of those that waited for them. */
const leftBehind = (rollout: Rollout): readonly string[] =>
  rollout.plan.tracks.flatMap((track) => {
    const gone = isTakenBack(rollout, track.name) ? track.name : blockedBy(rollout, track);
    const cause = rollout.plan.tracks.filter(({ name }) => name === gone);
    // What took over from another rollout may be asked back on targets whose track never began, too.
    const leaving = targetsOf([track]).filter((target) => isAskedBack(rollout, target));
    return gone !== undefined && isClearOn(rollout, [...targetsOf(cause), ...leaving]) ? targetsOf([track]) : [];
  });

/** Targets on which another revision of the config may be rolled out: read back, given up, or settled. */
export const letGoOf = (rollout: Rollout): readonly string[] => {
  const all = Object.keys(rollout.targets);
  const gone = leftBehind(rollout);
  const rest = all.filter((target) => !gone.includes(target));
  return isOver(rollout) || (rollout.status === 'rolling-back' && isClearOn(rollout, rest)) ? all : gone;
};

/** True once the config may be rolled out again on all targets of the rollout. */
export const hasLetGo = (rollout: Rollout): boolean => letGoOf(rollout).length === Object.keys(rollout.targets).length;

/** Target → revision that is live there once the rollout has let go of it. */
export const liveAfter = (rollout: Rollout): Readonly<Record<string, number>> => {
  const stays = rollout.status === 'settled' || rollout.status === 'superseded' ? liveTargets(rollout) : [];
  return Object.fromEntries(
    Object.entries(rollout.targets).map(([target, { control }]) => [
      target,
      stays.includes(target) ? rollout.revision : control,
    ]),
  );
};

const outcomeOf = ({ status }: Rollout) => (status === 'settled' || status === 'superseded' ? status : 'rolled-back');

/** What its config is told once the rollout lets go of targets, and of what is live there then; default: all of them. */
export const releaseOf = (rollout: Rollout, targets: readonly string[] = Object.keys(rollout.targets)) => {
  const { id, revision } = rollout;
  return {
    type: 'ReleaseTargets',
    rollout: id,
    revision,
    targets,
    outcome: outcomeOf(rollout),
    live: liveAfter(rollout),
  } as const;
};
