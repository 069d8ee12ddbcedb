import type { TargetFacts } from './rollout.facts.js';
import type { Rollout, TargetProgress } from './rollout.state.js';
import { isLeaving } from './tracks.js';

/** All of them, in basis points. */
const WHOLE = 10_000;
/** So many instances are named in an event at most, and in a sentence. */
const MOST_RECORDED = 100;
const MOST_SAID = 5;

const nobody: readonly string[] = [];

/** Instances that were live when the target was asked, and have said nothing for longer than a heartbeat counts. */
export const stoppedTalking = (known: TargetFacts): readonly string[] => known.silent ?? nobody;

/** Whether every live instance has this generation: by its own word, or where none speaks by the time it takes to read it. */
const isWithAllLive = (progress: TargetProgress, wanted: number, known: TargetFacts, at: number): boolean => {
  if (known.instances > 0 || known.takenWithinMs === undefined)
    return known.instances > 0 && known.acknowledged === known.instances && known.acknowledgedGeneration >= wanted;
  return progress.deliveredAt !== null && at - progress.deliveredAt >= known.takenWithinMs;
};

/**
 * Whether the plan goes on with those that acknowledged, without the others: there are enough of them, and the others
 * have had their time. Those that have stopped talking count among the others. Never where the candidate is taken back.
 */
export const isQuorum = ({ plan }: Rollout, progress: TargetProgress, known: TargetFacts): boolean => {
  const { convergence } = plan;
  if (convergence === null || isLeaving(progress) || (known.waitedMs ?? 0) < convergence.withinMs) return false;
  const all = known.instances + stoppedTalking(known).length;
  return known.acknowledged > 0 && known.acknowledged * WHOLE >= convergence.quorumBp * all;
};

/**
 * Whether a target has converged on what is wanted of it. A rollback waits for all that live and for nobody else: what
 * says nothing cannot be proved to be back, and must not keep the others from being it.
 */
export const hasConverged = (rollout: Rollout, progress: TargetProgress, known: TargetFacts, at: number): boolean => {
  const wanted = progress.wanted?.generation ?? 0;
  const isComplete =
    isWithAllLive(progress, wanted, known, at) && (isLeaving(progress) || stoppedTalking(known).length === 0);
  return isComplete || isQuorum(rollout, progress, known);
};

/** Who is known and has not acknowledged, for the record. */
export const absentFrom = (known: TargetFacts): string[] =>
  [...(known.behind ?? nobody), ...stoppedTalking(known)].slice(0, MOST_RECORDED);

/** Names of instances, as many as can be read. */
export const namesOf = (instances: readonly string[]): string => {
  const more = instances.length - MOST_SAID;
  return `${instances.slice(0, MOST_SAID).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};

/** Who of a target has stopped talking, where that keeps the stage from passing. */
export const silenceFaults = (rollout: Rollout, target: string, known: TargetFacts | undefined): string[] => {
  const progress = rollout.targets[target];
  const silent = known === undefined ? nobody : stoppedTalking(known);
  if (!known || !progress?.wanted || isLeaving(progress) || silent.length === 0) return [];
  if (isQuorum(rollout, progress, known)) return [];
  const who = silent.length === 1 ? '1 instance has' : `${silent.length} instances have`;
  return [`${target}: ${who} stopped talking since generation ${progress.wanted.generation}: ${namesOf(silent)}`];
};
