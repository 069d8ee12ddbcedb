import { trace } from '@opentelemetry/api';
import {
  type Clock,
  type Decision,
  type DomainEvent,
  type EventStore,
  type Ids,
  type JsonObject,
  type NewEvent,
  type RecordedEvent,
  type Rejection,
  type StreamAppend,
} from '#libs/kernel';
import { asHeadgateEvent, eventCodec, newestVersion, type HeadgateEvent, type Recorded } from '#libs/domain';
import type { CommandContext } from './context.js';

export type Outcome =
  | {
      readonly accepted: true;
      readonly repeated: boolean;
      readonly outcome: JsonObject;
      readonly events: readonly RecordedEvent[];
      /** Position up to which a reader must have read to see this. */
      readonly lastPosition: number;
    }
  | { readonly accepted: false; readonly rejection: Rejection };

type AnyDecider<S, C, E extends HeadgateEvent> = {
  readonly initial: S;
  readonly decide: (state: S, command: C) => Decision<E>;
  readonly evolve: (state: S, event: Recorded<E>) => S;
};

export type Loaded<S> = { readonly state: S; readonly version: number };

/** One attempt at a command: streams are read, decisions collected, and all is appended together or not at all. */
export class Session {
  readonly #store: EventStore;
  readonly #streams = new Map<string, { version: number; events: DomainEvent[] }>();
  rejection: Rejection | undefined;

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** Reads a stream; the append will also check that it has not moved on since. */
  async load<S, C, E extends HeadgateEvent>(decider: AnyDecider<S, C, E>, streamId: string): Promise<Loaded<S>> {
    let state = decider.initial;
    const recorded = await this.#store.readStream(streamId);
    for (const event of recorded) state = decider.evolve(state, asHeadgateEvent(event) as Recorded<E>);
    const version = recorded.at(-1)?.streamVersion ?? 0;
    if (!this.#streams.has(streamId)) this.#streams.set(streamId, { version, events: [] });
    return { state, version };
  }

  /** Decides on a loaded state and keeps the events for the append. The first rejection ends the attempt. */
  decide<S, C, E extends HeadgateEvent>(
    decider: AnyDecider<S, C, E>,
    streamId: string,
    state: S,
    command: C,
  ): readonly E[] {
    const decision = decider.decide(state, command);
    if (!decision.accepted) {
      this.rejection ??= decision.rejection;
      return [];
    }
    this.#streams.get(streamId)?.events.push(...(decision.events as readonly DomainEvent[]));
    return decision.events;
  }

  /** Forgets what was decided: a dry run. */
  discard(): void {
    this.#streams.clear();
  }

  reject(code: string, message: string, field?: string): void {
    this.rejection ??= field === undefined ? { code, message } : { code, message, field };
  }

  appends(finish: (event: DomainEvent) => NewEvent): StreamAppend[] {
    return [...this.#streams].map(([streamId, { version, events }]) => ({
      streamId,
      expectedVersion: version,
      events: events.map(finish),
    }));
  }
}

const ATTEMPTS = 8;

/** Runs commands: load, decide, append; on a conflict everything is read and decided again. */
export class CommandRunner {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #ids: Ids;

  constructor(store: EventStore, clock: Clock, ids: Ids) {
    this.#store = store;
    this.#clock = clock;
    this.#ids = ids;
  }

  newId(): string {
    return this.#ids.next();
  }

  now(): number {
    return this.#clock.now();
  }

  /**
   * Runs one command. `attempt` decides within a session and returns the outcome to remember; it may run several times.
   * A repeated command id returns its first outcome; another command under the same id is `idempotency-key-reused`.
   */
  async run(
    name: string,
    context: CommandContext,
    attempt: (session: Session) => Promise<JsonObject>,
  ): Promise<Outcome> {
    return trace.getTracer('headgate').startActiveSpan(`command ${name}`, async (span) => {
      try {
        return await this.#run(name, context, attempt);
      } finally {
        span.end();
      }
    });
  }

  async #run(
    name: string,
    context: CommandContext,
    attempt: (session: Session) => Promise<JsonObject>,
  ): Promise<Outcome> {
    const before = context.actor.kind === 'automation' ? undefined : await this.#store.findCommand(context.commandId);
    if (before) return this.#repeated(context, before);
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      const session = new Session(this.#store);
      const outcome = await attempt(session);
      if (session.rejection) return { accepted: false, rejection: session.rejection };
      const streams = session.appends((event) => this.#finish(event, context));
      const nothing = streams.every(({ events }) => events.length === 0);
      if (streams.length === 0 || (nothing && context.actor.kind === 'automation')) {
        return { accepted: true, repeated: false, outcome, events: [], lastPosition: 0 };
      }
      const command = { id: context.commandId, fingerprint: context.fingerprint, outcome };
      const result = await this.#store.append({ streams, command });
      switch (result.kind) {
        case 'appended':
          return {
            accepted: true,
            repeated: false,
            outcome,
            events: result.events,
            lastPosition: result.events.at(-1)?.position ?? 0,
          };
        case 'repeated':
          return {
            accepted: true,
            repeated: true,
            outcome: result.outcome,
            events: [],
            lastPosition: result.lastPosition,
          };
        case 'command-reused':
          return { accepted: false, rejection: reused(context.commandId) };
        case 'conflict':
          continue;
      }
    }
    return {
      accepted: false,
      rejection: {
        code: 'too-much-contention',
        message: `${name} met other writers ${ATTEMPTS} times in a row: try again.`,
      },
    };
  }

  #repeated(
    context: CommandContext,
    before: { readonly fingerprint: string; readonly outcome: JsonObject; readonly lastPosition: number },
  ): Outcome {
    if (before.fingerprint !== context.fingerprint) return { accepted: false, rejection: reused(context.commandId) };
    return { accepted: true, repeated: true, outcome: before.outcome, events: [], lastPosition: before.lastPosition };
  }

  #finish(event: DomainEvent, context: CommandContext): NewEvent {
    const { actor, commandId, correlationId, causationId, traceparent, reason } = context;
    const finished: NewEvent = {
      ...event,
      eventId: this.#ids.next(),
      schemaVersion: newestVersion(event.type),
      metadata: {
        actor,
        commandId,
        correlationId,
        occurredAt: new Date(this.#clock.now()).toISOString(),
        precision: 'instant',
        ...(causationId === undefined ? {} : { causationId }),
        ...(traceparent === undefined ? {} : { traceparent }),
        ...(reason === undefined ? {} : { reason }),
      },
    };
    eventCodec.check(finished);
    return finished;
  }
}

const reused = (commandId: string): Rejection => ({
  code: 'idempotency-key-reused',
  message: `The idempotency key ${commandId} was used before with another body: use a new key for a new command.`,
});
