import type { EventStore, RecordedEvent } from '#libs/kernel';
import { Alarm } from './alarm.js';
import type { ReaderHealth } from './health.js';
import { asError } from './health.js';
import type { Page } from './read-page.js';
import { readPage } from './read-page.js';

export type SubscriptionOptions = {
  readonly store: EventStore;
  /** For health and messages. */
  readonly name: string;
  /** The position to resume from; 0 for the whole log. */
  readonly after: number;
  /** Called for each event in order, never two at once. When it throws, the subscription stops. */
  readonly handle: (event: RecordedEvent) => void | Promise<void>;
  /** Events per page. Default 2000. */
  readonly pageSize?: number;
  /** How often to look without being rung, in milliseconds. Default 1000. */
  readonly pollMs?: number;
  /** The shortest time between two reads, in milliseconds, unless somebody waits for an event. Default 0. */
  readonly paceMs?: number;
  /** Told when the log cannot be read, once for each reason: it is tried again. */
  readonly onRetry?: (error: Error) => void;
  /** Told once when it stops by itself. */
  readonly onStopped?: (error: Error) => void;
};

type Waiter = { readonly position: number; readonly resolve: () => void; readonly reject: (error: Error) => void };

/** Follows the log within this process: first what is there, then what comes, in order, without gaps. */
export class Subscription {
  readonly #alarm = new Alarm();
  readonly #pace = new Alarm();
  readonly #waiters = new Set<Waiter>();
  readonly #silence: () => void;
  readonly #running: Promise<void>;
  #position: number;
  #state: ReaderHealth['state'] = 'running';
  #error: Error | undefined;
  #ending = false;

  constructor(private readonly options: SubscriptionOptions) {
    this.#position = options.after;
    // Of what this process commits it hears twice: from itself and from the database.
    this.#silence = options.store.onCommit((position) => {
      if (!(position <= this.#position)) this.#alarm.ring();
    });
    this.#running = this.#run();
  }

  /** The last position that was handled. */
  get position(): number {
    return this.#position;
  }

  health(): ReaderHealth {
    const base = { name: this.options.name, state: this.#state, position: this.#position };
    return this.#error === undefined ? base : { ...base, error: this.#error.message };
  }

  /** Resolves once this position is handled; rejects when the subscription stops before. */
  reached(position: number): Promise<void> {
    if (this.#position >= position) return Promise.resolve();
    if (this.#state === 'stopped') return Promise.reject(this.#stoppedError());
    this.hurry();
    return new Promise((resolve, reject) => this.#waiters.add({ position, resolve, reject }));
  }

  /** Resolves once everything is handled that was in the log when this was called. */
  async caughtUp(): Promise<void> {
    await this.reached(await this.options.store.head());
  }

  /** Reads at once, as somebody waits for an event. */
  hurry(): void {
    this.#alarm.ring();
    this.#pace.ring();
  }

  /** Ends after the event that is being handled. */
  async stop(): Promise<void> {
    this.#ending = true;
    this.hurry();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      await this.#follow();
    } catch (thrown) {
      this.#error = asError(thrown);
    }
    this.#state = 'stopped';
    this.#silence();
    for (const waiter of this.#waiters) waiter.reject(this.#stoppedError());
    this.#waiters.clear();
    if (this.#error !== undefined) this.options.onStopped?.(this.#error);
  }

  async #follow(): Promise<void> {
    const pageSize = this.options.pageSize ?? 2_000;
    let ahead: Promise<Page> | undefined;
    while (!this.#ending) {
      const readAt = performance.now();
      const page = await (ahead ?? this.#read(this.#position, pageSize));
      ahead = undefined;
      const last = page.events.at(-1);
      // The next page is on its way while this one is handled.
      if (page.events.length === pageSize && page.unknown === undefined && last !== undefined)
        ahead = this.#read(last.position, pageSize);
      ahead?.catch(() => undefined);
      await this.#handleAll(page.events);
      if (this.#ending) return;
      if (page.unknown !== undefined) throw page.unknown;
      if (ahead === undefined) await this.#newEvents(readAt);
    }
  }

  /** Where events come one after the other, some are read together. */
  async #newEvents(readAt: number): Promise<void> {
    await this.#alarm.wait(this.options.pollMs ?? 1_000);
    const rest = readAt + (this.options.paceMs ?? 0) - performance.now();
    if (rest > 0) await this.#pace.wait(rest);
  }

  async #read(after: number, limit: number): Promise<Page> {
    for (;;) {
      try {
        const page = await readPage((options) => this.options.store.readAll(options), after, limit);
        this.#state = 'running';
        this.#error = undefined;
        return page;
      } catch (thrown) {
        const error = asError(thrown);
        if (error.message !== this.#error?.message) this.options.onRetry?.(error);
        this.#state = 'retrying';
        this.#error = error;
        if (this.#ending) return { events: [] };
        await this.#alarm.wait(this.options.pollMs ?? 1_000);
      }
    }
  }

  async #handleAll(events: readonly RecordedEvent[]): Promise<void> {
    for (const event of events) {
      if (this.#ending) return;
      const pending = this.options.handle(event);
      if (pending !== undefined) await pending;
      this.#position = event.position;
      if (this.#waiters.size > 0) this.#answer();
    }
  }

  #answer(): void {
    for (const waiter of this.#waiters) {
      if (waiter.position > this.#position) continue;
      this.#waiters.delete(waiter);
      waiter.resolve();
    }
  }

  #stoppedError(): Error {
    const why = this.#error === undefined ? '' : `: ${this.#error.message}`;
    return new Error(`The reader ${this.options.name} stopped at position ${this.#position}${why}`, {
      cause: this.#error,
    });
  }
}

/** Starts a subscription; it runs until `stop`, an unknown event, or an error of its handler. */
export const subscribe = (options: SubscriptionOptions): Subscription => new Subscription(options);
