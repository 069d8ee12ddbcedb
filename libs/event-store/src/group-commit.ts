import { setImmediate as nextTurn } from 'node:timers/promises';
import { asError } from './health.js';

/** So many that wait are worth a flush of their own: what it costs by itself is small beside them. */
const READY = 24;

type Waiting<T, R> = {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
};

type Group<T, R> = readonly Waiting<T, R>[];
type Outcome<R> = { readonly results: readonly R[] } | { readonly error: Error };

export type GroupCommitOptions<T, R> = {
  /** Commits the items together and answers in their order. */
  readonly flush: (items: readonly T[]) => Promise<readonly R[]>;
  /** How many of the waiting items, from the first, may go together; at least 1. */
  readonly fit: (items: readonly T[]) => number;
  /** Whether the failed flush surely changed nothing, so that its items may be tried again one by one. */
  readonly isRolledBack: (error: unknown) => boolean;
};

/**
 * Group commit: while one flush is on its way the callers behind it wait and then go together, so the cost of a commit
 * is shared. Never are two on their way. One item that cannot be stored fails alone.
 *
 * Under load only half of those that wait go, and the next flush is sent before the last one is answered: so the
 * database works on one half while the callers of the other half make their next requests.
 */
export class GroupCommit<T, R> {
  #waiting: Waiting<T, R>[] = [];
  #running: Promise<void> | undefined;

  constructor(private readonly options: GroupCommitOptions<T, R>) {}

  submit(item: T): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#running ??= this.#run();
    });
  }

  /** Resolves when nothing waits and nothing is on its way. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    let group: Group<T, R> = [];
    let sent: Promise<Outcome<R>> | undefined;
    while (sent !== undefined || this.#waiting.length > 0) {
      if (sent === undefined) {
        // Callers that were just answered often come straight back: let them join.
        await nextTurn();
        group = this.#take();
        sent = this.#send(group);
      }
      const outcome = await sent;
      const answered = group;
      sent = undefined;
      if (this.#waiting.length >= READY && !('error' in outcome)) {
        group = this.#take();
        sent = this.#send(group);
      }
      await this.#answer(answered, outcome);
    }
    this.#running = undefined;
  }

  #take(): Group<T, R> {
    const half = Math.ceil(this.#waiting.length / 2);
    const candidates = half >= READY ? this.#waiting.slice(0, half) : this.#waiting;
    const count = Math.max(1, this.options.fit(candidates.map((waiting) => waiting.item)));
    return this.#waiting.splice(0, count);
  }

  async #send(group: Group<T, R>): Promise<Outcome<R>> {
    try {
      return { results: await this.options.flush(group.map((waiting) => waiting.item)) };
    } catch (thrown) {
      return { error: asError(thrown) };
    }
  }

  async #answer(group: Group<T, R>, outcome: Outcome<R>): Promise<void> {
    if ('results' in outcome) {
      for (const [index, waiting] of group.entries()) waiting.resolve(outcome.results[index] as R);
    } else if (group.length > 1 && this.options.isRolledBack(outcome.error)) {
      for (const waiting of group) await this.#answer([waiting], await this.#send([waiting]));
    } else {
      for (const waiting of group) waiting.reject(outcome.error);
    }
  }
}
