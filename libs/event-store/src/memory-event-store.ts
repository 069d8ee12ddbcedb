import type {
  AppendRequest,
  AppendResult,
  Clock,
  EventCodec,
  JsonObject,
  RecordedEvent,
  StreamAppend,
} from '#libs/kernel';
import { EventStore } from '#libs/kernel';
import { Bell } from './bell.js';
import { joinEnvelope } from './canonical.js';
import { knownCommand } from './flush.js';
import type { PreparedRequest } from './requests.js';
import { prepare } from './requests.js';

type KnownCommand = { readonly fingerprint: string; readonly outcome: JsonObject; readonly lastPosition: number };

/** The log in memory, for tests and simulations: the same rules as the one in PostgreSQL, and nothing survives. */
export class MemoryEventStore extends EventStore {
  readonly #events: RecordedEvent[] = [];
  readonly #streams = new Map<string, RecordedEvent[]>();
  readonly #commands = new Map<string, KnownCommand>();
  readonly #bell = new Bell<number>();
  #lastRecorded = 0;

  constructor(private readonly options: { readonly codec: EventCodec; readonly clock: Clock }) {
    super();
  }

  override async append(request: AppendRequest): Promise<AppendResult> {
    const prepared = prepare(request, this.options.codec);
    const { command } = request;
    const known = command === undefined ? undefined : this.#commands.get(command.id);
    if (command !== undefined && known !== undefined) return knownCommand(command, known);
    const conflict = request.streams.map((stream) => this.#conflict(stream)).find((found) => found !== undefined);
    if (conflict !== undefined) return conflict;

    const events = this.#record(prepared);
    const { fingerprint, outcome } = command ?? {};
    if (command !== undefined && fingerprint !== undefined && outcome !== undefined)
      this.#commands.set(command.id, { fingerprint, outcome, lastPosition: this.#events.length });
    if (events.length > 0) this.#bell.ring(this.#events.length);
    return { kind: 'appended', events };
  }

  override async readStream(streamId: string, options: { readonly afterVersion?: number } = {}) {
    return (this.#streams.get(streamId) ?? []).slice(options.afterVersion ?? 0).map((event) => this.#decode(event));
  }

  override async readAll(options: { readonly after: number; readonly limit: number }) {
    return this.#events.slice(options.after, options.after + options.limit).map((event) => this.#decode(event));
  }

  override async readPositions(positions: readonly number[]) {
    return [...new Set(positions)]
      .toSorted((a, b) => a - b)
      .flatMap((position) => this.#events[position - 1] ?? [])
      .map((event) => this.#decode(event));
  }

  override async head(): Promise<number> {
    return this.#events.length;
  }

  override async findCommand(commandId: string) {
    return this.#commands.get(commandId);
  }

  override onCommit(listener: (position: number) => void): () => void {
    return this.#bell.listen(listener);
  }

  #decode(event: RecordedEvent): RecordedEvent {
    return this.options.codec.decode(event);
  }

  #conflict({ streamId, expectedVersion }: StreamAppend): AppendResult | undefined {
    const actual = this.#streams.get(streamId)?.length ?? 0;
    return expectedVersion === 'any' || expectedVersion === actual
      ? undefined
      : { kind: 'conflict', streamId, expected: expectedVersion, actual };
  }

  #record({ request, parts }: PreparedRequest): readonly RecordedEvent[] {
    this.#lastRecorded = Math.max(this.#lastRecorded, this.options.clock.now());
    const recordedAt = new Date(this.#lastRecorded).toISOString();
    const recorded: RecordedEvent[] = [];
    for (const { streamId, events } of request.streams) {
      const stream = this.#streams.get(streamId) ?? [];
      if (events.length > 0) this.#streams.set(streamId, stream);
      for (const _ of events) {
        const made = parts[recorded.length];
        if (made === undefined) throw new Error(`An event of ${streamId} was not prepared.`);
        const given = { position: this.#events.length + 1, streamVersion: stream.length + 1, recordedAt };
        // Through the canonical text: what is read is what JSON carries, and nobody holds on to our objects.
        const event = JSON.parse(joinEnvelope(made, given)) as RecordedEvent;
        stream.push(event);
        this.#events.push(event);
        recorded.push(event);
      }
    }
    return recorded;
  }
}
