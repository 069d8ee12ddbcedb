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

/** How exactly the time of an event is known: to the instant, or, for what was imported, to the hour or the day. */
const Precision = z.enum(['instant', 'hour', 'day']);

/** Which event made something so, by whom and why. */
export const PastChange = z.object({
  position: z.int(),
  /** When it was so, as exactly as `precision` says. */
  at: z.string(),
  recordedAt: z.string(),
  precision: Precision,
  type: z.string(),
  actor: z.string(),
  reason: z.string().nullable(),
});
export type PastChange = z.output<typeof PastChange>;

/** The first that was seen of a generation, or of a newer one in its place. */
const Sight = z.object({
  generation: z.int(),
  at: z.string(),
  recordedAt: z.string(),
  /** It came after the moment that was asked about. */
  later: z.boolean(),
});

/** How the withdrawal of a candidate stood: `draining`, `read-back`, or how it ended. */
const Drain = z.object({
  rollout: z.string(),
  state: z.string(),
  detail: z.string().nullable(),
  at: z.string(),
  recordedAt: z.string(),
  /** It came to be so after the moment that was asked about. */
  later: z.boolean(),
});

const TargetAt = z.object({
  target: z.string(),
  platform: z.string(),
  generation: z.int(),
  /** Null: nothing of it was recorded. */
  delivered: Sight.nullable().optional(),
  acknowledged: Sight.extend({ instances: z.int() }).nullable().optional(),
  /** What each instance evaluated with, and since when; only where they were asked for. */
  instances: z
    .array(z.object({ instance: z.string(), generation: z.int(), since: z.string(), heardAt: z.string() }))
    .optional(),
  configs: z.array(
    z.object({
      config: z.string(),
      control: z.int(),
      candidate: z.int().nullable(),
      shareBp: z.int(),
      rollout: z.string().nullable(),
      value: z.json(),
      candidateValue: z.json().nullable(),
      /** What made it so. */
      since: PastChange.optional(),
      /** Of the newest rollout that was taken back there. */
      drain: Drain.nullable().optional(),
    }),
  ),
});

/** What was desired on each target at a moment, and what is known of its arrival: the answer of `GET /v1/at`. */
export const AtView = z
  .object({
    /** The time that was asked for, or at which the event of the position was recorded; null before the first event. */
    at: z.string().nullable(),
    /** Only what was recorded up to this time counts; null: all that is known now. */
    knownAt: z.string().nullable().optional(),
    position: z.int(),
    targets: z.array(TargetAt),
  })
  .meta({ id: 'AtView' });
export type AtView = z.output<typeof AtView>;

/** A rollout that was open on a slice at a moment, as it was then. */
export const OpenChange = z.object({
  rollout: z.string(),
  config: z.string(),
  revision: z.int(),
  plan: z.string(),
  /** How it stood at the moment that was asked about. */
  status: z.string(),
  held: z.object({ by: z.string(), reason: z.string() }).nullable(),
  startedAt: z.string(),
  /** Null: it had not ended by then. */
  endedAt: z.string().nullable(),
  actor: z.string(),
  reason: z.string().nullable(),
  /** Why it went without stages; null for an ordinary plan. */
  bypass: z.string().nullable(),
  reverts: z.int().nullable(),
  /** What was asked of each target of the slice: the share on the candidate, in basis points. */
  exposures: z.array(z.object({ target: z.string(), platform: z.string(), shareBp: z.int(), since: z.string() })),
});
export type OpenChange = z.output<typeof OpenChange>;

/** `GET /v1/changes/open`: what was in flight, watched, or had lately ended; newest first. */
export const OpenChanges = z
  .object({
    at: z.string(),
    /** Rollouts that ended after this time are listed too. */
    since: z.string(),
    items: z.array(OpenChange),
    /** There are more than these. */
    more: z.boolean(),
  })
  .meta({ id: 'OpenChanges' });
export type OpenChanges = z.output<typeof OpenChanges>;

/** Distinct units: `count` null where they are fewer than `below`, which is shown to nobody but an investigator. */
const UnitCount = z.object({
  count: z.int().nullable(),
  below: z.int().nullable(),
  /** Relative standard error of the count; 0: exact. */
  error: z.number(),
  /** Outcomes had named as many units as are kept of a slice: there may be more. */
  atLeast: z.boolean(),
});
export type UnitCount = z.output<typeof UnitCount>;

const Exposed = z.object({ requests: z.int(), units: UnitCount });

/** Who was exposed to a revision: the answer of `GET /v1/rollouts/{id}/exposed` and `GET /v1/exposed`. */
export const ExposedView = z
  .object({
    config: z.string(),
    revision: z.int(),
    rollouts: z.array(z.string()),
    total: Exposed,
    platforms: z.array(Exposed.extend({ platform: z.string() })),
    targets: z.array(Exposed.extend({ target: z.string(), platform: z.string() })),
    models: z.array(Exposed.extend({ model: z.string() })),
    /** By target, model and hour; units are those that were first seen in that hour. */
    cells: z.array(Exposed.extend({ target: z.string(), model: z.string(), hour: z.string() })),
    /** Whether cells of few units are shown exactly. */
    exact: z.boolean(),
    /** What the counts do not say, in words. */
    notes: z.array(z.string()),
  })
  .meta({ id: 'ExposedView' });
export type ExposedView = z.output<typeof ExposedView>;
