import type { NewEvent, RecordedEvent } from './events.js';
import type { JsonObject } from './json.js';

/** What one command wants of one stream. `events` may be empty: then only the version is checked. */
export type StreamAppend = {
  readonly streamId: string;
  /** The version the decision was based on; 0 for a stream that must not exist yet; 'any' to skip the check. */
  readonly expectedVersion: number | 'any';
  readonly events: readonly NewEvent[];
};

export type AppendRequest = {
  readonly streams: readonly StreamAppend[];
  /** A command id is accepted once; `fingerprint` tells a repetition from another command under the same id. */
  readonly command?: { readonly id: string; readonly fingerprint: string; readonly outcome: JsonObject };
};

export type AppendResult =
  | { readonly kind: 'appended'; readonly events: readonly RecordedEvent[] }
  | { readonly kind: 'conflict'; readonly streamId: string; readonly expected: number; readonly actual: number }
  | { readonly kind: 'repeated'; readonly outcome: JsonObject; readonly lastPosition: number }
  | { readonly kind: 'command-reused'; readonly commandId: string };

/**
 * The log. Appends are all or nothing over several streams; positions are gapless and their order is commit order.
 * Reading an event that this build does not know, or that is newer than it, throws `UnknownEventError`.
 */
export abstract class EventStore {
  abstract append(request: AppendRequest): Promise<AppendResult>;
  abstract readStream(
    streamId: string,
    options?: { readonly afterVersion?: number },
  ): Promise<readonly RecordedEvent[]>;
  /** Events after `after`, oldest first, at most `limit`. */
  abstract readAll(options: { readonly after: number; readonly limit: number }): Promise<readonly RecordedEvent[]>;
  /** The events at these positions, oldest first; positions that are not in the log are left out. */
  abstract readPositions(positions: readonly number[]): Promise<readonly RecordedEvent[]>;
  /** The highest position, 0 when empty. */
  abstract head(): Promise<number>;
  /** Looks up a command that was committed before. */
  abstract findCommand(
    commandId: string,
  ): Promise<{ readonly fingerprint: string; readonly outcome: JsonObject; readonly lastPosition: number } | undefined>;
  /** Rings after a commit by anyone, soon; may be lost without harm. Returns a function that unsubscribes. */
  abstract onCommit(listener: (position: number) => void): () => void;
}

/** Turns stored data into the newest version of its type. Pure. */
export type EventCodec = {
  /** Throws `UnknownEventError` for an unknown type or a version newer than this build's. */
  readonly decode: (event: RecordedEvent) => RecordedEvent;
  /** Throws when the data does not fit the type's schema: strict on write. */
  readonly check: (event: NewEvent) => void;
};

/** The bodies of old events are in files that cannot be read; the message says which file, and what to do. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}

export class UnknownEventError extends Error {
  constructor(
    readonly eventType: string,
    readonly schemaVersion: number,
    readonly position: number,
    readonly known: number | undefined,
  ) {
    super(
      known === undefined
        ? `Event ${eventType} v${schemaVersion} at position ${position} is unknown to this build: upgrade Headgate before reading this log.`
        : `Event ${eventType} v${schemaVersion} at position ${position} is newer than this build (v${known}): upgrade Headgate before reading this log.`,
    );
    this.name = 'UnknownEventError';
  }
}
