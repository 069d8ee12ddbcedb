import type { JsonObject } from './json.js';

/** Who did it. `automation` is the controller itself; `name` is a subject, never a secret. */
export type Actor = { readonly kind: 'person' | 'token' | 'automation'; readonly name: string };

/** How exactly `occurredAt` is known. */
export type Precision = 'instant' | 'hour' | 'day';

export type EventMetadata = {
  readonly actor: Actor;
  readonly reason?: string;
  readonly commandId: string;
  readonly correlationId: string;
  /** The event or command that led to this one. */
  readonly causationId?: string;
  readonly traceparent?: string;
  /** ISO 8601 in UTC. */
  readonly occurredAt: string;
  readonly precision: Precision;
};

/** What a decider produces: a fact in the past tense with its data, not yet recorded. */
export type DomainEvent = { readonly type: string; readonly data: JsonObject };

/** An event that is ready to be appended. */
export type NewEvent = DomainEvent & {
  readonly eventId: string;
  readonly schemaVersion: number;
  readonly metadata: EventMetadata;
};

/** An event as the log holds it. `position` is global, gapless and in commit order; `streamVersion` starts at 1. */
export type RecordedEvent = NewEvent & {
  readonly streamId: string;
  readonly streamVersion: number;
  readonly position: number;
  /** ISO 8601 in UTC, set by the store. */
  readonly recordedAt: string;
};
