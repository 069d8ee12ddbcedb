import { z } from 'zod';
import { Name, Reason } from './primitives.js';

/** Roles: `admin` all; `operator` changes and rollouts; `viewer` reads; `service` sends outcomes, fetches rulesets, acknowledges. */
export const Role = z.enum(['admin', 'operator', 'viewer', 'service']);
export type Role = z.output<typeof Role>;

export const ApplyRequest = z
  .strictObject({
    /** Manifests as JSON; each is checked by its own schema so that a problem names the manifest and the field. */
    manifests: z.array(z.record(z.string(), z.json())).min(1).max(500),
    reason: Reason.optional(),
    dryRun: z.boolean().default(false),
  })
  .meta({ id: 'ApplyRequest' });

export const Change = z
  .object({ path: z.string(), before: z.json().optional(), after: z.json().optional() })
  .meta({ id: 'Change' });

export const ApplyResult = z
  .object({
    dryRun: z.boolean(),
    results: z.array(
      z.object({
        kind: z.string(),
        name: z.string(),
        action: z.enum(['created', 'revised', 'updated', 'unchanged']),
        revision: z.int().optional(),
        /** True for the first revision of a config: what runs today. */
        baseline: z.boolean().optional(),
        changes: z.array(Change),
      }),
    ),
  })
  .meta({ id: 'ApplyResult' });
export type ApplyResult = z.output<typeof ApplyResult>;

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
    /** Null: never, with today's traffic. */
    predictedMs: z.number().nullable(),
    /** What the stage will wait for longest. */
    limitedBy: z.string(),
    signals: z.array(
      z.object({
        signal: z.string(),
        predictedMs: z.number().nullable(),
        tolerate: z.number().nullable(),
        /** Smallest ratio to control that the stage will most likely see; null: none. */
        smallestHarm: z.number().nullable(),
        note: z.string(),
      }),
    ),
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
    /** From what traffic: span in ms and requests per second of each target. */
    traffic: z.object({ spanMs: z.number(), perTarget: z.record(z.string(), z.number()) }),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'PlanPreview' });
export type PlanPreview = z.output<typeof PlanPreview>;

const ReasonBody = z.strictObject({ reason: Reason });
export const PauseRequest = ReasonBody.meta({ id: 'PauseRequest' });
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
        status: z.enum(['waiting', 'in-stage', 'passed', 'not-reached']),
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
        generation: z.int(),
        delivered: z.boolean(),
        converged: z.boolean(),
        readBack: z.boolean(),
        ended: z.enum(['drained', 'acknowledged', 'abandoned']).nullable(),
        error: z.string().nullable(),
      }),
    ),
    verdicts: z.array(VerdictView),
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

export const ConfigView = z
  .object({
    key: z.string(),
    kind: z.string(),
    assignment: z.string().nullable(),
    description: z.string().nullable(),
    schema: z.json().nullable(),
    revisions: z.array(
      z.object({
        revision: z.int(),
        digest: z.string(),
        value: z.json(),
        author: z.string(),
        reason: z.string().nullable(),
        at: z.string(),
        baseline: z.boolean(),
        vetoed: z.boolean(),
      }),
    ),
    /** Target → revision that it rests on when no rollout holds it. */
    live: z.record(z.string(), z.int()),
    /** Target → rollout that holds it now. */
    claims: z.record(z.string(), z.string()),
    retired: z.boolean(),
    version: z.int(),
  })
  .meta({ id: 'ConfigView' });
export type ConfigView = z.output<typeof ConfigView>;

export const TargetView = z
  .object({
    target: z.string(),
    platform: z.string(),
    labels: z.record(z.string(), z.string()),
    models: z.array(z.string()),
    driver: z.string(),
    generation: z.int(),
    instances: z.array(
      z.object({ instance: z.string(), generation: z.int(), seenAt: z.string(), error: z.string().nullable() }),
    ),
    live: z.array(
      z.object({
        config: z.string(),
        control: z.int(),
        candidate: z.int().nullable(),
        shareBp: z.int(),
        rollout: z.string().nullable(),
      }),
    ),
    retired: z.boolean(),
    version: z.int(),
  })
  .meta({ id: 'TargetView' });
export type TargetView = z.output<typeof TargetView>;

/** One event in words and in full. */
export const EventView = z
  .object({
    position: z.int(),
    stream: z.string(),
    version: z.int(),
    type: z.string(),
    summary: z.string(),
    actor: z.object({ kind: z.string(), name: z.string() }),
    reason: z.string().nullable(),
    occurredAt: z.string(),
    recordedAt: z.string(),
    causationId: z.string().nullable(),
    eventId: z.string(),
    data: z.json(),
  })
  .meta({ id: 'EventView' });
export type EventView = z.output<typeof EventView>;

export const EventList = z
  .object({ items: z.array(EventView), nextCursor: z.string().nullable() })
  .meta({ id: 'EventList' });

/** What was desired on each target at a moment: the configuration of `GET /v1/at`. */
export const AtView = z
  .object({
    at: z.string(),
    position: z.int(),
    targets: z.array(
      z.object({
        target: z.string(),
        platform: z.string(),
        generation: z.int(),
        configs: z.array(
          z.object({
            config: z.string(),
            control: z.int(),
            candidate: z.int().nullable(),
            shareBp: z.int(),
            rollout: z.string().nullable(),
            value: z.json(),
            candidateValue: z.json().nullable(),
          }),
        ),
      }),
    ),
  })
  .meta({ id: 'AtView' });
export type AtView = z.output<typeof AtView>;

export const CreateTokenRequest = z
  .strictObject({
    subject: z.string().min(1).max(100),
    role: Role,
    expiresInDays: z.int().min(1).max(3_650).optional(),
  })
  .meta({ id: 'CreateTokenRequest' });

/** The secret is shown here once and never again; only its hash is kept. */
export const CreatedToken = z
  .object({ id: z.string(), subject: z.string(), role: Role, secret: z.string(), expiresAt: z.string().nullable() })
  .meta({ id: 'CreatedToken' });

export const TokenView = z
  .object({
    id: z.string(),
    subject: z.string(),
    role: Role,
    last4: z.string(),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
    revokedAt: z.string().nullable(),
  })
  .meta({ id: 'TokenView' });
