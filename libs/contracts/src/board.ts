import { z } from 'zod';
import { UndeliveredView } from './configs.js';
import { RolloutStatus } from './rollouts.js';

/** How what is tried on a target stands by its guardrails; `steady` where nothing is tried. */
export const Health = z.enum(['steady', 'shown-fine', 'undecided', 'not-measured', 'harm']);
export type Health = z.output<typeof Health>;

/** A rollout in a line. */
export const BoardRollout = z.object({
  id: z.string(),
  config: z.string(),
  revision: z.int(),
  plan: z.string(),
  reason: z.string(),
  startedBy: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  status: RolloutStatus,
  held: z.object({ by: z.enum(['person', 'policy']), reason: z.string(), until: z.string().nullable() }).nullable(),
  /** The first few things that it waits for, in words. */
  waitingFor: z.array(z.string()),
  health: Health,
  /** The sentence of the verdict that decides its health; null without one. */
  sentence: z.string().nullable(),
  tracks: z.array(
    z.object({
      name: z.string(),
      status: z.enum(['waiting', 'in-stage', 'passed', 'taken-back', 'not-reached']),
      stage: z.string().nullable(),
      passed: z.int(),
      stages: z.int(),
    }),
  ),
  /** The settled revision that it takes back; null when it is no revert. */
  reverts: z.int().nullable(),
});
export type BoardRollout = z.output<typeof BoardRollout>;

/** `GET /v1/board`: what moves, what waits for a person, and what is served where. */
export const BoardView = z
  .object({
    position: z.int(),
    /** When it was asked. */
    at: z.string(),
    running: z.array(BoardRollout),
    /** Those that ended last, newest first. */
    ended: z.array(BoardRollout),
    configs: z.array(
      z.object({
        config: z.string(),
        description: z.string().nullable(),
        newest: z.int(),
        cells: z.array(
          z.object({
            target: z.string(),
            control: z.int(),
            candidate: z.int().nullable(),
            /** What was asked for; null where no rollout holds it. */
            shareBp: z.int().nullable(),
            rollout: z.string().nullable(),
            delivered: z.boolean(),
            /** Every instance has it. */
            converged: z.boolean(),
            health: Health,
            /** Since when it has been as it is, without a break: its stage, or the revision that runs; null: not known. */
            since: z.string().nullable(),
            /** The candidate that was taken back from there last, as long as its rollout is on the board. */
            takenBack: z
              .object({
                rollout: z.string(),
                revision: z.int(),
                at: z.string(),
                /** Its way back is over: drained, or what else ends it. */
                isOver: z.boolean(),
              })
              .nullable()
              .default(null),
          }),
        ),
      }),
    ),
    targets: z.array(
      z.object({
        target: z.string(),
        platform: z.string(),
        labels: z.record(z.string(), z.string()),
        generation: z.int(),
        /** Live instances, and how many of them do not have the newest generation; null: they cannot be asked. */
        instances: z.int().nullable(),
        behind: z.int().nullable(),
        undelivered: UndeliveredView,
      }),
    ),
  })
  .meta({ id: 'BoardView' });
export type BoardView = z.output<typeof BoardView>;
