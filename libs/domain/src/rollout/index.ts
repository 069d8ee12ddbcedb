import type { Recorded, RolloutEvent } from '../events/index.js';
import { decideRollout } from './rollout.decide.js';
import { evolveRollout } from './rollout.evolve.js';
import type { RolloutState } from './rollout.state.js';

export * from './rollout.state.js';
export * from './rollout.facts.js';
export * from './let-go.js';
export { isDone } from './rollout.back-out.js';
export { longestSilence, silences } from './rollout.silence.js';
export { roughly } from './durations.js';
export { drawFaults, drawInstances, instancesOf, MOST_INSTANCES } from './rollout.instances.js';
export { instanceReach } from './rollout.reach.js';
export type { StageReach } from './rollout.reach.js';
export { Progress, readProgress } from './progress.js';
export { graceOf } from './rollout.absent.js';
export { isLeaving, isNotReached, isOnWayBack, isTakenBack, liveTargets, liveTracks } from './tracks.js';
export { WATCH, waitingFor, missingForStage, missingForSettling } from './rollout.missing.js';
export {
  awaitsParity,
  comparisonsOf,
  judgeCounts,
  judgeParities,
  PARITY_METHOD,
  type Comparison,
} from './rollout.parity.js';
export type { RolloutCommand } from './rollout.decide.js';

export const rolloutDecider: {
  readonly initial: RolloutState;
  readonly decide: typeof decideRollout;
  readonly evolve: (state: RolloutState, event: Recorded<RolloutEvent>) => RolloutState;
} = { initial: { status: 'none' }, decide: decideRollout, evolve: evolveRollout };
