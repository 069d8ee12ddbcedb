import { z } from 'zod';

const Labels = z.record(z.string(), z.string());

export const targetEvents = {
  TargetRegistered: {
    1: z.object({
      target: z.string(),
      platform: z.string(),
      labels: Labels,
      models: z.array(z.string()),
      driver: z.string(),
    }),
  },
  TargetLabelled: { 1: z.object({ target: z.string(), labels: Labels, models: z.array(z.string()) }) },
  TargetRetired: { 1: z.object({ target: z.string() }) },
  /** Every known instance of the target evaluates with this generation or a newer one. */
  GenerationAcknowledged: { 1: z.object({ target: z.string(), generation: z.int(), instances: z.int() }) },
} as const;
