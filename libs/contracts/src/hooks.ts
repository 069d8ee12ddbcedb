import { z } from 'zod';
import { EVENT_TYPES } from './event-types.js';
import { Name } from './primitives.js';

/** What is sent unless a hook asks for other types: the life of rollouts, as somebody who is not looking wants to know it. */
export const HOOK_TYPES: readonly string[] = [
  'RolloutStarted',
  'StageEntered',
  'StagePassed',
  'RolloutHeld',
  'RolloutResumed',
  'EvidenceMissing',
  'BakeSkipped',
  'DegradationDetected',
  'RollbackStarted',
  'RolledBack',
  'FullyExposed',
  'RolloutSuperseded',
  'RolloutSettled',
];

const TYPE_PREFIX = 'dev.headgate.';

/** The type of the CloudEvent that tells of an event. Its version is that of `HookEventData`. */
export const cloudEventType = (type: string): string => `${TYPE_PREFIX}${type}.v1`;

const EventType = z.string().refine((type) => EVENT_TYPES.includes(type), {
  error: ({ input }) => `there is no event ${String(input)}; such are ${HOOK_TYPES.slice(0, 4).join(', ')}`,
});

const HookUrl = z
  .url({ protocol: /^https?$/, error: 'write an address such as https://relay.example.com/headgate' })
  .max(2_000)
  .refine((text) => !URL.canParse(text) || (new URL(text).username === '' && new URL(text).password === ''), {
    error: 'must hold no password: the address stays in the log for ever',
  });

export const CreateHookRequest = z
  .strictObject({
    url: HookUrl,
    types: z.array(EventType).min(1).max(EVENT_TYPES.length).optional(),
    /** Only events of these configs. Without it, of all. */
    configs: z.array(Name).max(100).optional(),
  })
  .meta({ id: 'CreateHookRequest' });

/** The secret is shown here once. */
export const CreatedHook = z
  .object({
    id: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    configs: z.array(z.string()),
    secret: z.string(),
  })
  .meta({ id: 'CreatedHook' });
export type CreatedHook = z.output<typeof CreatedHook>;

export const HookState = z.enum(['delivering', 'retrying', 'dead', 'disabled', 'stuck']);

/** `GET /v1/hooks`: where events go, how far, and what is wrong. */
export const HookView = z
  .object({
    id: z.string(),
    url: z.string(),
    types: z.array(z.string()),
    configs: z.array(z.string()),
    createdAt: z.string(),
    /**
     * `delivering`: nothing is wrong; `retrying`: a delivery failed and is tried again; `dead`: some events were given
     * up; `disabled`: its receiver said that it is gone; `stuck`: no controller can send for it.
     */
    state: HookState,
    /** Position of the newest event that was delivered; null before the first. */
    delivered: z.int().nullable(),
    deliveredAt: z.string().nullable(),
    /** Events that wait to be delivered, and those that were given up. */
    waiting: z.int(),
    dead: z.int(),
    /** Positions of the log that it has not been asked about so far. */
    unread: z.int(),
    /** Since when the oldest event that failed has waited, or the hook is disabled; null while nothing failed. */
    failingSince: z.string().nullable().default(null),
    error: z.string().nullable(),
  })
  .meta({ id: 'HookView' });
export type HookView = z.output<typeof HookView>;

export const HookList = z.object({ items: z.array(HookView) }).meta({ id: 'HookList' });

/** What a CloudEvent of Headgate carries: what happened to what, in words and in names; no values and no ids of units. */
export const HookEventData = z
  .object({
    /** Position in the log: grows from event to event. */
    position: z.int(),
    event: z.string(),
    summary: z.string(),
    actor: z.string(),
    reason: z.string().optional(),
    rollout: z.string().optional(),
    config: z.string().optional(),
    revision: z.int().optional(),
    target: z.string().optional(),
    targets: z.array(z.string()).optional(),
    track: z.string().optional(),
    stage: z.string().optional(),
    /** In basis points. */
    exposureBp: z.int().optional(),
    signal: z.string().optional(),
    verdict: z.string().optional(),
    /** Why it was taken back. */
    cause: z.string().optional(),
  })
  .meta({ id: 'HookEventData' });
export type HookEventData = z.output<typeof HookEventData>;
