import { z } from 'zod';
import { Reason } from './primitives.js';

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
        /** An earlier revision whose value this new one takes up again, although newer ones came between. */
        sameAs: z.int().optional(),
        /** True for the first revision of a config: what runs today. */
        baseline: z.boolean().optional(),
        changes: z.array(Change),
        /** What it names that is not registered yet; it was applied all the same. */
        warnings: z.array(z.object({ pointer: z.string(), detail: z.string() })).optional(),
      }),
    ),
  })
  .meta({ id: 'ApplyResult' });
export type ApplyResult = z.output<typeof ApplyResult>;

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

/** Why nothing can be delivered to a target, and since when; null while what is asked for arrives. */
export const UndeliveredView = z
  .object({ generation: z.int(), error: z.string(), since: z.string() })
  .nullable()
  .default(null);

export const TargetView = z
  .object({
    target: z.string(),
    platform: z.string(),
    labels: z.record(z.string(), z.string()),
    models: z.array(z.string()),
    driver: z.string(),
    settings: z.record(z.string(), z.json()),
    generation: z.int(),
    /** What it was found to hold against what was asked of it; null while it holds that. */
    drift: z.object({ generation: z.int(), detail: z.string(), action: z.enum(['hold', 'put-back']) }).nullable(),
    undelivered: UndeliveredView,
    instances: z.array(
      z.object({ instance: z.string(), generation: z.int(), seenAt: z.string(), error: z.string().nullable() }),
    ),
    /** Instances that have said nothing for longer than a heartbeat counts, and when each was heard last; for an hour. */
    silent: z.array(z.object({ instance: z.string(), seenAt: z.string() })).default([]),
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
