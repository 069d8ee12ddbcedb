import { z } from 'zod';

const Hook = z.string();

/** Where events are sent to. What signs them never appears: it is derived from a key that the log does not have. */
export const hookEvents = {
  HookAdded: {
    1: z.object({
      hook: Hook,
      url: z.string(),
      /** Types of events that are sent. */
      types: z.array(z.string()),
      /** Only events of these configs; empty: of all. */
      configs: z.array(z.string()),
      /** Fingerprint of the key that its secret is derived from. */
      key: z.string(),
    }),
  },
  HookRemoved: { 1: z.object({ hook: Hook }) },
  /** Its receiver said that it is gone: nothing is sent any more until somebody resumes it. */
  HookDisabled: { 1: z.object({ hook: Hook, reason: z.string() }) },
  HookResumed: { 1: z.object({ hook: Hook }) },
} as const;
