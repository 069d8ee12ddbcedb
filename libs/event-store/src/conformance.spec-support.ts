import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AppendRequest, EventCodec, JsonObject, NewEvent, RecordedEvent } from '#libs/kernel';
import { UnknownEventError } from '#libs/kernel';

/** Knows Counted v1 and v2: v1 called its number `count`. Refuses to write anything else. */
export const countingCodec: EventCodec = {
  decode: (event) => {
    if (event.type !== 'Counted')
      throw new UnknownEventError(event.type, event.schemaVersion, event.position, undefined);
    if (event.schemaVersion > 2) throw new UnknownEventError(event.type, event.schemaVersion, event.position, 2);
    if (event.schemaVersion === 2) return event;
    return { ...event, schemaVersion: 2, data: { n: event.data['count'] ?? 0 } };
  },
  check: (event) => {
    if (event.data['refused'] === true) throw new Error(`${event.type} does not fit its schema.`);
  },
};

export const event = (data: JsonObject = { n: 1 }, over: Partial<NewEvent> = {}): NewEvent => ({
  eventId: randomUUID(),
  type: 'Counted',
  schemaVersion: 2,
  data,
  metadata: {
    actor: { kind: 'person', name: 'ada' },
    commandId: 'c-1',
    correlationId: 'k-1',
    occurredAt: '2026-11-22T10:00:00.000Z',
    precision: 'instant',
  },
  ...over,
});

export const to = (
  streamId: string,
  expectedVersion: number | 'any',
  ...events: readonly NewEvent[]
): AppendRequest => ({ streams: [{ streamId, expectedVersion, events }] });

export const command = (id: string, fingerprint = 'f', outcome: JsonObject = { ok: true }) => ({
  id,
  fingerprint,
  outcome,
});

export const numbers = (events: readonly RecordedEvent[]) => events.map(({ data }) => data['n']);
export const positions = (events: readonly RecordedEvent[]) => events.map(({ position }) => position);

/** 1, 2, … count. */
export const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Never happened: ${what}`);
    await sleep(5);
  }
};
