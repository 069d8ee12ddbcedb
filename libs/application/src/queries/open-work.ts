import { isOnWayBack, isOver } from '#libs/domain';
import type { LiveView } from './live-view.js';

/** A delivery that fails and is tried again. */
export type OpenFailure = {
  readonly rollout: string;
  readonly target: string;
  /** Epoch ms. */
  readonly since: number;
  readonly error: string;
};

/** A target from which a candidate is still to be taken back. */
export type OpenWayBack = {
  readonly rollout: string;
  readonly config: string;
  readonly target: string;
  readonly step: 'reading-back' | 'draining';
  /** When the control was asked for, in epoch ms. */
  readonly since: number;
};

/** Deliveries of rollouts that fail now, the oldest first. */
export const openFailures = (view: Pick<LiveView, 'rollouts'>): readonly OpenFailure[] =>
  [...view.rollouts.values()]
    .flatMap(({ rollout }) =>
      Object.entries(rollout.targets).flatMap(([target, progress]) => {
        const { error, failingSince } = progress;
        if (error === null || failingSince === null || (isOver(rollout) && !isOnWayBack(progress))) return [];
        return [{ rollout: rollout.id, target, since: failingSince, error }];
      }),
    )
    .toSorted((a, b) => a.since - b.since);

/** What rollbacks still wait for, the oldest first. */
export const openWaysBack = (view: Pick<LiveView, 'rollouts'>): readonly OpenWayBack[] =>
  [...view.rollouts.values()]
    .flatMap(({ rollout }) =>
      Object.entries(rollout.targets).flatMap(([target, progress]): readonly OpenWayBack[] => {
        if (!isOnWayBack(progress)) return [];
        const step = progress.readBack ? 'draining' : 'reading-back';
        const { id, config } = rollout;
        return [{ rollout: id, config, target, step, since: progress.wanted?.at ?? 0 }];
      }),
    )
    .toSorted((a, b) => a.since - b.since);
