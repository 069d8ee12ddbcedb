import { eventVersions } from '#libs/domain';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import { T0 } from './specification.js';

type Known = { readonly type: string; readonly data: JsonObject; readonly position?: number; readonly at?: number };

/** An event as the log would hold it: by a person, in a stream of its own, at position 1 and `T0` unless given. */
export const recorded = (
  { type, data, position = 1, at = T0 }: Known,
  change: Partial<RecordedEvent> = {},
): RecordedEvent => {
  const time = new Date(at).toISOString();
  return {
    type,
    data,
    position,
    eventId: `event-${position}`,
    schemaVersion: eventVersions[type] ?? 1,
    streamId: 'stream-1',
    streamVersion: 1,
    recordedAt: time,
    metadata: {
      actor: { kind: 'person', name: 'ada' },
      commandId: `command-${position}`,
      correlationId: `command-${position}`,
      occurredAt: time,
      precision: 'instant',
    },
    ...change,
  };
};
