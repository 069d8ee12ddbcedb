import { z } from 'zod';
import type { JsonObject } from '#libs/kernel';

const Labels = z.record(z.string(), z.string());
/** What its driver is told about it; never a secret. */
const Settings: z.ZodType<JsonObject> = z.record(z.string(), z.json());

const Registered = z.object({
  target: z.string(),
  platform: z.string(),
  labels: Labels,
  models: z.array(z.string()),
  driver: z.string(),
  settings: Settings,
});
const Labelled = z.object({ target: z.string(), labels: Labels, models: z.array(z.string()), settings: Settings });

export const targetEvents = {
  TargetRegistered: { 1: Registered.omit({ settings: true }), 2: Registered },
  TargetLabelled: { 1: Labelled.omit({ settings: true }), 2: Labelled },
  TargetRetired: { 1: z.object({ target: z.string() }) },
  /** Every known instance of the target evaluates with this generation or a newer one. */
  GenerationAcknowledged: { 1: z.object({ target: z.string(), generation: z.int(), instances: z.int() }) },
  /**
   * The target holds what nobody asked of it. Where it is put back, this event is the target's new generation, under
   * which its ruleset is delivered again.
   */
  DriftFound: {
    1: z.object({
      target: z.string(),
      /** The generation that was asked of it. */
      generation: z.int(),
      /** The generation that it says it holds; null where it holds none of Headgate's. */
      held: z.int().nullable(),
      detail: z.string(),
      action: z.enum(['hold', 'put-back']),
    }),
  },
  /** The target holds what was asked of it again. */
  DriftEnded: { 1: z.object({ target: z.string(), generation: z.int() }) },
} as const;

const withoutSettings = (data: JsonObject): JsonObject => ({ ...data, settings: {} });

/** Before version 2 every target was pulled by its fleet, which takes no settings. */
export const targetUpcasters = {
  TargetRegistered: { 1: withoutSettings },
  TargetLabelled: { 1: withoutSettings },
} as const;
