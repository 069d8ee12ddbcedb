import { z } from 'zod';

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
    /** The same for all that one request or one look of the controller led to at once. */
    correlationId: z.string().default(''),
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
    /** The time that was asked for, or at which the event of the position was recorded; null before the first event. */
    at: z.string().nullable(),
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
