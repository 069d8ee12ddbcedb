import type { DrainOutcome, RolloutEvent } from '../events/index.js';
import type { Facts, TargetFacts } from './rollout.facts.js';
import { isOver, type Rollout, type TargetProgress } from './rollout.state.js';
import { isClear, isLeaving, isOnWayBack } from './tracks.js';

type Drain = { readonly outcome: DrainOutcome; readonly detail: string };

/** Its traffic is the newer rollout's from now on: whether the old one's had gone will never be seen. */
const redelivered = ({ revision }: Rollout, { redeliveredBy }: TargetFacts): Drain | undefined =>
  redeliveredBy === undefined
    ? undefined
    : {
        outcome: 'redelivered',
        detail: `rollout ${redeliveredBy} delivers r${revision} here again, so whether it had gone cannot be told`,
      };

/** Where requests come with silences between them, a drain has to be so many times as long to be seen. */
const THIN_TRAFFIC = 3;

const drainOf = (rollout: Rollout, progress: TargetProgress, known: TargetFacts, at: number): Drain | undefined => {
  const since = Math.max(known.candidateSeenAt ?? 0, progress.wanted?.at ?? 0);
  const { drainMs, graceMs } = rollout.plan;
  const quiet = `${(drainMs / 1000).toFixed(1)} s`;
  const seenUntil = known.trafficSeenAt ?? 0;
  if (seenUntil - Math.max(since, known.flowingSince ?? since) >= drainMs)
    return {
      outcome: 'drained',
      detail: `no request on the withdrawn revision for ${quiet}, while others were served`,
    };
  if (seenUntil - since >= THIN_TRAFFIC * drainMs) {
    const long = `${((THIN_TRAFFIC * drainMs) / 1000).toFixed(1)} s`;
    return {
      outcome: 'drained',
      detail: `no request on the withdrawn revision for ${long}, while others were served now and then`,
    };
  }
  // Whoever was out of reach until the control was live again may still serve the candidate for a while.
  const blindSince = Math.max(known.trafficSeenAt ?? 0, progress.readBackAt ?? 0, progress.wanted?.at ?? 0);
  const takenWithinMs = known.instances === 0 ? (known.takenWithinMs ?? 0) : 0;
  if (at - blindSince >= drainMs + graceMs + takenWithinMs) {
    const unseen = 'the drain cannot be measured: no outcomes arrive from here';
    if (takenWithinMs > 0)
      return {
        outcome: 'acknowledged',
        detail: `the platform holds the control, and whoever reads it there has had the ${(takenWithinMs / 1000).toFixed(1)} s that takes; ${unseen}`,
      };
    return known.instances === 0
      ? { outcome: 'unconfirmed', detail: `no instance is live, so none has said that it took the control; ${unseen}` }
      : { outcome: 'acknowledged', detail: `every live instance (${known.instances}) acknowledged; ${unseen}` };
  }
  return undefined;
};

/**
 * Tells clients, once, to drop what sessions have stuck to, where the plan says so: requests still come to the candidate
 * although the drain could have been over. A rollout that was started there since is not interfered with.
 */
const cleared = (rollout: Rollout, target: string, at: number, known: TargetFacts): RolloutEvent[] => {
  const { readBackAt, clearedAt } = rollout.targets[target] ?? { readBackAt: null, clearedAt: null };
  const { leftover, nextRollout } = known;
  if (rollout.plan.leftovers !== 'clear' || clearedAt !== null || readBackAt === null || leftover === undefined)
    return [];
  const isLate = at - readBackAt >= rollout.plan.drainMs && (known.candidateSeenAt ?? 0) > readBackAt;
  if (!isLate || nextRollout !== undefined) return [];
  return [{ type: 'StickinessDropped', data: { rollout: rollout.id, target, config: rollout.config, leftover } }];
};

/** What came true on targets that the candidate is leaving: read back, then drained. */
export const backOut = (rollout: Rollout, at: number, facts: Facts): RolloutEvent[] =>
  Object.entries(rollout.targets).flatMap(([target, progress]): RolloutEvent[] => {
    if (!isOnWayBack(progress)) return [];
    const known = facts.targets[target];
    const wanted = progress.wanted?.generation ?? 0;
    if (!known) return [];
    if (!progress.readBack) {
      return progress.delivered >= wanted && (known.readBack ?? 0) >= wanted
        ? [{ type: 'TargetReadBack', data: { rollout: rollout.id, target, generation: wanted } }]
        : [];
    }
    const settled = progress.converged >= wanted || known.instances === 0;
    const drain = redelivered(rollout, known) ?? (settled ? drainOf(rollout, progress, known, at) : undefined);
    if (drain === undefined) return settled ? cleared(rollout, target, at, known) : [];
    const { candidateSeenAt: lastSeenAt, leftover } = known;
    const data = { rollout: rollout.id, target, lastSeenAt, ...drain };
    return [{ type: 'TargetDrained', data: leftover === undefined ? data : { ...data, leftover } }];
  });

export const isOut = (rollout: Rollout): boolean =>
  Object.values(rollout.targets).every((progress) => !isOnWayBack(progress));

/** Targets that are being taken back and are neither read back nor given up; on the others it may still have to drain. */
export const notYetBack = (rollout: Rollout): readonly string[] =>
  Object.entries(rollout.targets).flatMap(([target, progress]) =>
    isLeaving(progress) && !isClear(progress) ? [target] : [],
  );

/** Whether nothing is left to do: one that has settled or was superseded may still have the drain of a track to end. */
export const isDone = (rollout: Rollout): boolean => isOver(rollout) && isOut(rollout);

export const rolledBack = (rollout: Rollout, at: number): RolloutEvent[] => {
  if (!isOut(rollout)) return [];
  const reached = Object.entries(rollout.targets).filter(([, progress]) => isLeaving(progress));
  const targets = Object.fromEntries(reached.map(([target, { ended }]) => [target, ended ?? 'acknowledged']));
  return [{ type: 'RolledBack', data: { rollout: rollout.id, targets, tookMs: at - (rollout.rollbackAt ?? at) } }];
};
