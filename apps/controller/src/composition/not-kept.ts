import { chainedDigest, type LiveView } from '#libs/application';
import type { EventStore } from '#libs/kernel';
import { LookCompaction, Retention, type Exposed } from '#libs/signals';
import type { Pool } from 'pg';
import type { ControllerConfig } from '../config.js';
import { compactEnded } from './compacting.js';
import type { Forgotten } from './forgetting.js';

export type Setting = {
  readonly pool: Pool;
  readonly view: LiveView;
  readonly store: EventStore;
  readonly exposed: Exposed;
  readonly report: (message: string) => (error: unknown) => void;
};

const runningIn = (view: LiveView): readonly string[] =>
  [...view.rollouts.values()].flatMap(({ rollout }) => (rollout.endedAt === null ? [rollout.id] : []));

/** What goes with time: ids and minutes by their age, and looks of rollouts that ended, which become fewer. */
export const notKept = (
  { unitDays, lookDays: days }: Pick<ControllerConfig, 'unitDays' | 'lookDays'>,
  { pool, view, store, exposed, report }: Setting,
): readonly Forgotten[] => {
  const retention = new Retention(pool, unitDays);
  const compaction = new LookCompaction(pool, chainedDigest);
  return [
    {
      // Units are counted before they are forgotten.
      forget: async (now) => {
        await exposed.take(now);
        await retention.forget(now);
        await exposed.forgetSalts(runningIn(view));
      },
      report: report('Old ids of units cannot be forgotten; trying again in ten minutes.'),
    },
    {
      forget: (now) => compactEnded(compaction, { view, store, days }, now),
      report: report('Looks of rollouts that ended cannot be compacted; trying again in ten minutes.'),
    },
  ];
};
