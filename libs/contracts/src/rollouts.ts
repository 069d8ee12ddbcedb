import { z } from 'zod';
import { Name, Reason } from './primitives.js';
import { SignalType } from './signal-type.js';

export const StartRolloutRequest = z
  .strictObject({
    config: Name,
    /** Default: the newest. */
    revision: z.int().min(1).optional(),
    plan: Name,
    reason: Reason,
    /** Why a revision that was rolled back may be tried again. */
    vetoReason: Reason.optional(),
  })
  .meta({ id: 'StartRolloutRequest' });

export const PlanRequest = StartRolloutRequest.omit({ reason: true, vetoReason: true }).meta({ id: 'PlanRequest' });

export const StagePrediction = z
  .object({
    track: z.string(),
    stage: z.string(),
    exposureBp: z.int(),
    targets: z.array(z.string()),
    bakeMs: z.number(),
    /** Null: never, with today's traffic, or there was none. */
    predictedMs: z.number().nullable(),
    /** What the stage will wait for longest; `no traffic` where nothing was served lately, so that nothing can be told. */
    limitedBy: z.string(),
    signals: z.array(
      z.object({
        signal: z.string(),
        type: SignalType,
        /** Time until it is shown to be below its margin; null: never, or nobody knows yet (`known`). */
        predictedMs: z.number().nullable(),
        tolerate: z.number().nullable(),
        /** Whether anything was measured lately from which to tell what it sees; of an invariant always. */
        known: z.boolean().default(true),
        /** Smallest ratio to control that the stage will see with a chance of 80%; null: none. */
        smallestHarm: z.number().nullable(),
        /** The same with a chance of 95%. */
        nearlySure: z.number().nullable(),
        note: z.string(),
      }),
    ),
    /** Of a config assigned by instance: how many of the live instances of each target the candidate would be given. */
    instances: z.array(z.object({ target: z.string(), chosen: z.int(), of: z.int() })).optional(),
  })
  .meta({ id: 'StagePrediction' });
export type StagePrediction = z.output<typeof StagePrediction>;

export const PlanPreview = z
  .object({
    config: z.string(),
    revision: z.int(),
    plan: z.string(),
    control: z.record(z.string(), z.int()),
    stages: z.array(StagePrediction),
    totalMs: z.number().nullable(),
    /** Pairs that tracks have to wait for, by how many of them differ. */
    parity: z
      .array(
        z.object({
          track: z.string(),
          signal: z.string(),
          between: z.tuple([z.string(), z.string()]),
          withinBp: z.number(),
          pairs: z.array(
            z.object({
              /** Part of the pairs of which one is bad and the other is not, as often on either side. */
              discordant: z.number(),
              /** What it takes on average; null: it can not be shown. */
              pairs: z.int().nullable(),
            }),
          ),
        }),
      )
      .default([]),
    /** What the watch can see, against the holdback; of all signals but invariants. */
    watch: z.object({
      watchMs: z.number(),
      holdbackBp: z.int(),
      /** Requests on the candidate in that time. */
      requests: z.number(),
      signals: z.array(
        z.object({
          signal: z.string(),
          /** Whether anything was measured lately from which to tell what it sees. */
          known: z.boolean().default(true),
          smallestHarm: z.number().nullable(),
          nearlySure: z.number().nullable(),
          /** Of a rate: answers that harm of `smallestHarm` does in that time, above what control does. */
          harmedAnswers: z.number().nullable(),
        }),
      ),
    }),
    /** From what traffic: span in ms and requests per second of each target. */
    traffic: z.object({ spanMs: z.number(), perTarget: z.record(z.string(), z.number()) }),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'PlanPreview' });
export type PlanPreview = z.output<typeof PlanPreview>;

const ReasonBody = z.strictObject({ reason: Reason });
export const PauseRequest = z
  .strictObject({
    reason: Reason,
    /** When it goes on by itself; default: when somebody resumes it. */
    until: z.iso.datetime({ offset: true }).optional(),
  })
  .meta({ id: 'PauseRequest' });
export const ResumeRequest = ReasonBody.meta({ id: 'ResumeRequest' });
export const AbortRequest = ReasonBody.meta({ id: 'AbortRequest' });
export const AbandonRequest = z.strictObject({ target: Name, reason: Reason }).meta({ id: 'AbandonRequest' });
/** Takes back a settled revision. */
export const UndoRequest = z
  .strictObject({
    reason: Reason,
    /** The revision to take back; default: the one that is live. */
    revision: z.int().min(1).optional(),
    /** What to go back to; default: what was live before. */
    to: z.int().min(1).optional(),
  })
  .meta({ id: 'UndoRequest' });
export const PromoteRequest = z
  .strictObject({
    reason: Reason,
    track: Name.optional(),
    /** Only what is still in one of these, such as api/10% or watch: so a second click skips no second stage. */
    stages: z.array(z.string().max(120)).max(50).optional(),
  })
  .meta({ id: 'PromoteRequest' });

const ArmValues = z.object({
  count: z.number(),
  mean: z.number(),
  /** Median, 90th and 99th percentile; null where only the mean is measured. */
  quantiles: z.array(z.number()).nullable(),
});

export const VerdictView = z
  .object({
    signal: z.string(),
    track: z.string().nullable(),
    stage: z.string().nullable(),
    verdict: z.enum(['pass', 'fail', 'inconclusive', 'not-measured']),
    sentence: z.string(),
    shadow: z.boolean(),
    counts: z.object({
      candidateBad: z.number(),
      candidateRequests: z.number(),
      controlBad: z.number(),
      controlRequests: z.number(),
    }),
    /** Of signals of values; null for others. */
    values: z.object({ candidate: ArmValues.nullable(), control: ArmValues.nullable() }).nullable().default(null),
    ratio: z.number().nullable(),
    interval: z.tuple([z.number().nullable(), z.number().nullable()]).nullable(),
    logE: z.number(),
    logBound: z.number(),
    method: z.string(),
    digest: z.string(),
    at: z.string(),
  })
  .meta({ id: 'VerdictView' });
export type VerdictView = z.output<typeof VerdictView>;

/** How two tracks stand by the same work done on both, for a track that waits for their parity or waited for it. */
export const ParityView = z
  .object({
    /** The track that waits for it. */
    track: z.string(),
    signal: z.string(),
    between: z.tuple([z.string(), z.string()]),
    withinBp: z.number(),
    verdict: z.enum(['pass', 'fail', 'inconclusive', 'not-measured']),
    sentence: z.string(),
    method: z.string(),
    counts: z.object({ pairs: z.number(), leftOnly: z.number(), rightOnly: z.number() }),
    /** Share of bad answers on the left less that on the right; null before the first pair. */
    difference: z.number().nullable(),
    /** Differences that the pairs do not speak against. */
    interval: z.tuple([z.number(), z.number()]),
    /** Logarithms of the e-value for parity, and of what shows it; of the one against it, and of what refutes it. */
    logE: z.number(),
    logBound: z.number(),
    logAgainst: z.number(),
    logAgainstBound: z.number(),
    at: z.string(),
  })
  .meta({ id: 'ParityView' });
export type ParityView = z.output<typeof ParityView>;

/** What still came to a withdrawn revision after its control had been asked for. */
export const LeftoverView = z.object({
  requests: z.int(),
  /** Distinct units that were named; counting stops at 512. */
  units: z.int(),
  oldestAt: z.string(),
  newestAt: z.string(),
});
export type LeftoverView = z.output<typeof LeftoverView>;

export const RolloutStatus = z.enum([
  'staging',
  'watching',
  'settling',
  'rolling-back',
  'settled',
  'rolled-back',
  'superseded',
  'cancelled',
]);
export type RolloutStatus = z.output<typeof RolloutStatus>;

export const RolloutView = z
  .object({
    id: z.string(),
    config: z.string(),
    revision: z.int(),
    plan: z.string(),
    reason: z.string(),
    startedBy: z.string(),
    startedAt: z.string(),
    endedAt: z.string().nullable(),
    status: RolloutStatus,
    /** Set while a person or a policy holds it. */
    held: z.object({ by: z.enum(['person', 'policy']), reason: z.string(), until: z.string().nullable() }).nullable(),
    /** What it waits for now, in words. */
    waitingFor: z.array(z.string()),
    alpha: z.number(),
    tracks: z.array(
      z.object({
        name: z.string(),
        status: z.enum(['waiting', 'in-stage', 'passed', 'taken-back', 'not-reached']),
        targets: z.array(z.string()).default([]),
        stage: z.string().nullable(),
        stages: z.array(
          z.object({
            name: z.string(),
            exposureBp: z.int(),
            status: z.enum(['waiting', 'in-stage', 'passed']),
            enteredAt: z.string().nullable(),
            passedAt: z.string().nullable(),
            bakeMs: z.number(),
            bakedMs: z.number().nullable(),
            skipped: z.boolean(),
          }),
        ),
      }),
    ),
    targets: z.array(
      z.object({
        target: z.string(),
        control: z.int(),
        requestedBp: z.int(),
        /** Of a config assigned by instance, where some serve the candidate: how many were chosen of those then live. */
        instances: z.object({ chosen: z.int(), of: z.int() }).optional(),
        /** What the share was asked for; null until the rollout reaches the target. */
        purpose: z.enum(['stage', 'settle', 'rollback']).nullable(),
        generation: z.int(),
        delivered: z.boolean(),
        converged: z.boolean(),
        readBack: z.boolean(),
        ended: z.enum(['drained', 'acknowledged', 'abandoned', 'redelivered', 'unconfirmed']).nullable(),
        error: z.string().nullable(),
        /** Since when deliveries there fail. */
        failingSince: z.string().nullable().default(null),
        /** Instances that were live when the share was asked for, and have stopped talking; none once it has ended. */
        silent: z.array(z.string()).default([]),
        /** How far the candidate's way back is; null where it is not being taken back. */
        wayBack: z
          .object({
            askedAt: z.string(),
            /** Its place in the order of those that were asked together, from 1. */
            place: z.int().nullable(),
            /** Requests on the candidate before; null: not known. */
            requestsPerSecond: z.number().nullable(),
            readBackAt: z.string().nullable(),
            endedAt: z.string().nullable(),
            leftover: LeftoverView.nullable(),
            /** When its clients were told to drop what sessions had stuck to. */
            clearedAt: z.string().nullable(),
          })
          .nullable()
          .default(null),
      }),
    ),
    verdicts: z.array(VerdictView),
    /** What tracks wait for of others, or waited for. */
    parity: z.array(ParityView).default([]),
    /** First violation of each invariant on the candidate; only where one rollout is read by itself. */
    violations: z
      .array(
        z.object({
          signal: z.string(),
          target: z.string(),
          model: z.string(),
          instance: z.string(),
          /** Null when the reporter named none, or once it is no longer kept. */
          request: z.string().nullable(),
          reporter: z.string(),
          at: z.string(),
        }),
      )
      .default([]),
    cause: z.string().nullable(),
    /** Why it goes without stages; null for an ordinary plan. */
    bypass: z.string().nullable(),
    /** The settled revision that it takes back; null when it is no revert. */
    reverts: z.int().nullable(),
    version: z.int(),
    position: z.int(),
  })
  .meta({ id: 'RolloutView' });
export type RolloutView = z.output<typeof RolloutView>;

export const RolloutList = z
  .object({ items: z.array(RolloutView), nextCursor: z.string().nullable() })
  .meta({ id: 'RolloutList' });
