import { z } from 'zod';
import type { JsonObject } from '#libs/kernel';

const Key = z.string();
const Targets = z.array(z.string());
const JsonRecord: z.ZodType<JsonObject> = z.record(z.string(), z.json());

/** Configs, signals, plans and sources are registered and revised in the same way; their kind tells them apart. */
export const ConfigKind = z.enum(['quality', 'weights', 'switch', 'signal', 'plan', 'source']);
export type ConfigKind = z.output<typeof ConfigKind>;

export const configEvents = {
  ConfigRegistered: {
    1: z.object({
      key: Key,
      kind: ConfigKind,
      assignment: z.enum(['unit', 'request', 'instance']).nullable(),
      description: z.string().nullable(),
      schema: JsonRecord.nullable(),
    }),
  },
  RevisionProposed: {
    1: z.object({
      key: Key,
      revision: z.int(),
      /** SHA-256 over the canonical value. */
      digest: z.string(),
      value: JsonRecord,
      links: z.array(z.string()),
      /** The first revision: what runs today. It is live on every target at once. */
      baseline: z.boolean(),
    }),
  },
  SchemaChanged: { 1: z.object({ key: Key, schema: JsonRecord, description: z.string().nullable() }) },
  ConfigRetired: { 1: z.object({ key: Key }) },
  /** A rollout holds these targets of the config: no other may start there. */
  TargetsClaimed: { 1: z.object({ key: Key, rollout: z.string(), revision: z.int(), targets: Targets }) },
  /** The rollout lets go. `settled` makes its revision last known good; `rolled-back` vetoes it; `superseded` leaves it live. */
  TargetsReleased: {
    1: z.object({
      key: Key,
      rollout: z.string(),
      revision: z.int(),
      targets: Targets,
      outcome: z.enum(['settled', 'rolled-back', 'superseded']),
      /** Target → revision that is live there from now on. */
      live: z.record(z.string(), z.int()),
    }),
  },
} as const;
