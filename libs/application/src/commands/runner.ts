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
import { asHeadgateEvent, isMeasured, newestVersion, type HeadgateEvent, type Recorded } from '#libs/domain';
import { automation, type CommandContext } from './context.js';
import { StateCache, type Loaded } from './state-cache.js';

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

/** One attempt at a command: streams are read, decisions collected, and all is appended together or not at all. */
export class Session {
  readonly #store: EventStore;
  readonly #known: StateCache;
  readonly #trusting: boolean;
  readonly #streams = new Map<string, { version: number; events: DomainEvent[] }>();
  readonly #reasons = new Map<string, string>();
  #guessed = false;
  rejection: Rejection | undefined;

  /** `trusting`: decides on what this process knows of a stream; otherwise what is newer is read first. */
  constructor(store: EventStore, known: StateCache, trusting: boolean) {
    this.#store = store;
    this.#known = known;
    this.#trusting = trusting;
  }

  /** True when a decision rests on a state that was not read for it: only an append shows that it was the newest. */
  get guessed(): boolean {
    return this.#guessed;
  }

  /** Gives a stream's state; the append will also check that it has not moved on since. */
  async load<S, C, E extends HeadgateEvent>(decider: AnyDecider<S, C, E>, streamId: string): Promise<Loaded<S>> {
    const known = this.#known.find(streamId, decider);
    if (known && this.#trusting) this.#guessed = true;
    const loaded = known && this.#trusting ? known : await this.#read(decider, streamId, known);
    const { version } = loaded;
    if (!this.#streams.has(streamId)) this.#streams.set(streamId, { version, events: [] });
    return loaded;
  }

  async #read<S, C, E extends HeadgateEvent>(
    decider: AnyDecider<S, C, E>,
    streamId: string,
    known: Loaded<S> | undefined,
  ): Promise<Loaded<S>> {
    let { state, version } = known ?? { state: decider.initial, version: 0 };
    for (const event of await this.#store.readStream(streamId, { afterVersion: version })) {
      state = decider.evolve(state, asHeadgateEvent(event) as Recorded<E>);
      version = event.streamVersion;
    }
    const loaded = { state, version };
    if (version > 0) this.#known.keep(streamId, decider, loaded);
    return loaded;
  }

  /**
   * Decides, and keeps the events for the append where the stream is loaded; of another they are only told. The first
   * rejection ends the attempt.
   */
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

  /** Why the events of a stream are written, where the command as a whole gives no reason. */
  explain(streamId: string, reason: string): void {
    this.#reasons.set(streamId, reason);
  }

  /** Forgets what was decided: a dry run. */
  discard(): void {
    this.#streams.clear();
  }

  reject(code: string, message: string, field?: string): void {
    this.rejection ??= field === undefined ? { code, message } : { code, message, field };
  }

  appends(finish: (event: DomainEvent, reason: string | undefined) => NewEvent): StreamAppend[] {
    return [...this.#streams].map(([streamId, { version, events }]) => ({
      streamId,
      expectedVersion: version,
      events: events.map((event) => finish(event, this.#reasons.get(streamId))),
    }));
  }
}

const ATTEMPTS = 8;

/** Runs commands: load, decide, append; on a conflict everything is read and decided again. */
export class CommandRunner {
  readonly #store: EventStore;
  readonly #clock: Clock;
  readonly #ids: Ids;
  readonly #known = new StateCache();

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

  /** Takes note of an event of the log, by whomever: the next command on its stream starts from there. */
  notice(event: RecordedEvent): void {
    this.#known.apply(event);
  }

  /** Whether this command was accepted before: then it repeats its first outcome, whatever is the case by now. */
  async remembers({ commandId }: Pick<CommandContext, 'commandId'>): Promise<boolean> {
    return (await this.#store.findCommand(commandId)) !== undefined;
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
    const automatic = context.actor.kind === 'automation';
    let trusting = !automatic;
    for (let tries = 0; tries < ATTEMPTS; tries += 1) {
      const session = new Session(this.#store, this.#known, trusting);
      const outcome = await attempt(session);
      const streams = session.appends((event, reason) =>
        this.#finish(event, context.reason === undefined && reason !== undefined ? { ...context, reason } : context),
      );
      const silent = automatic ? streams.every(({ events }) => events.length === 0) : streams.length === 0;
      if (session.rejection || silent) {
        trusting = false;
        // No append will show whether this rests on the newest state, so it is decided again on what is read.
        if (session.guessed) continue;
        return this.#unwritten(context, session.rejection, outcome);
      }
      const command = { id: context.commandId, fingerprint: context.fingerprint, outcome };
      const result = await this.#store.append({ streams, command });
      switch (result.kind) {
        case 'appended':
          for (const event of result.events) this.#known.apply(event);
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
          trusting = false;
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

  /** The answer to a command that writes nothing, unless its id was used before: then that of the first time. */
  async #unwritten(context: CommandContext, rejection: Rejection | undefined, outcome: JsonObject): Promise<Outcome> {
    const before = context.actor.kind === 'automation' ? undefined : await this.#store.findCommand(context.commandId);
    if (before === undefined) {
      if (rejection) return { accepted: false, rejection };
      return { accepted: true, repeated: false, outcome, events: [], lastPosition: 0 };
    }
    if (before.fingerprint !== context.fingerprint) return { accepted: false, rejection: reused(context.commandId) };
    return { accepted: true, repeated: true, outcome: before.outcome, events: [], lastPosition: before.lastPosition };
  }

  #finish(event: DomainEvent, context: CommandContext): NewEvent {
    const { commandId, correlationId, causationId, traceparent } = context;
    // What was measured is nobody's doing, whoever asks for something on the strength of it.
    const { actor, reason } = isMeasured(event.type) ? automation(commandId) : context;
    return {
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
  }
}

/** A command's id is `<who>/<key>`, and who asks knows who they are. */
const reused = (commandId: string): Rejection => ({
  code: 'idempotency-key-reused',
  message: `The Idempotency-Key ${commandId.slice(commandId.indexOf('/') + 1)} was already used for another command (sent to another address, or with another body): send this one under a new key.`,
});
