import { setImmediate as nextTurn } from 'node:timers/promises';
import { asError } from './health.js';

/** So many that wait are worth a flush of their own: what it costs by itself is small beside them. */
const READY = 8;

type Waiting<T, R> = {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
};

type Group<T, R> = readonly Waiting<T, R>[];

export type GroupCommitOptions<T, R> = {
  /** Commits the items together and answers in their order. Flushes take effect in the order of the calls. */
  readonly flush: (items: readonly T[]) => Promise<readonly R[]>;
  /** How many of the waiting items, from the first, may go together; at least 1. */
  readonly fit: (items: readonly T[]) => number;
  /** Whether the failed flush surely changed nothing, so that its items may be tried again one by one. */
  readonly isRolledBack: (error: unknown) => boolean;
  /** Flushes that may be on their way at once. */
  readonly depth: number;
  /** Told when nothing waits and nothing is on its way. */
  readonly onIdle: () => void;
};

/**
 * Group commit: while flushes are on their way the callers behind them wait and then go together, so the cost of a
 * commit is shared. One item that cannot be stored fails alone.
 *
 * With a depth of 2 and enough callers the database always has the next flush before it: they fall into halves, and
 * while one half is written the callers of the other are answered and make their next requests.
 */
export class GroupCommit<T, R> {
  readonly #waiting: Waiting<T, R>[] = [];
  /** Items on their way, in so many flushes. */
  #sent = 0;
  #flushes = 0;
  #isDue = false;
  #idle: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  constructor(private readonly options: GroupCommitOptions<T, R>) {}

  submit(item: T): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      this.#idle ??= latch();
      void this.#nextTurn();
    });
  }

  /** Resolves when nothing waits and nothing is on its way. */
  async idle(): Promise<void> {
    while (this.#idle !== undefined) await this.#idle.promise;
  }

  /** Callers of one turn go together, and those that were just answered often come straight back. */
  async #nextTurn(): Promise<void> {
    if (this.#isDue) return;
    this.#isDue = true;
    await nextTurn();
    this.#isDue = false;
    this.#sendNext();
  }

  #sendNext(): void {
    while (this.#isWorthAFlush()) void this.#commit(this.#take());
    if (this.#flushes > 0) return;
    this.options.onIdle();
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #isWorthAFlush(): boolean {
    if (this.#flushes >= this.options.depth) return false;
    return this.#waiting.length >= (this.#flushes === 0 ? 1 : READY);
  }

  /** With many callers their share of all that wait or are on their way, so that the flushes stay of one size. */
  #take(): Group<T, R> {
    const callers = this.#waiting.length + this.#sent;
    const share = callers < this.options.depth * READY ? callers : Math.ceil(callers / this.options.depth);
    const candidates = this.#waiting.slice(0, share);
    const count = Math.max(1, this.options.fit(candidates.map((waiting) => waiting.item)));
    return this.#waiting.splice(0, count);
  }

  async #commit(group: Group<T, R>): Promise<void> {
    this.#sent += group.length;
    this.#flushes += 1;
    await this.#settle(group);
    this.#sent -= group.length;
    this.#flushes -= 1;
    if (this.#waiting.length >= READY) this.#sendNext();
    else await this.#nextTurn();
  }

  /** Never rejects. */
  async #settle(group: Group<T, R>): Promise<void> {
    try {
      const results = await this.options.flush(group.map((waiting) => waiting.item));
      for (const [index, waiting] of group.entries()) waiting.resolve(results[index] as R);
    } catch (thrown) {
      const error = asError(thrown);
      if (group.length === 1 || !this.options.isRolledBack(error)) for (const { reject } of group) reject(error);
      else for (const waiting of group) await this.#settle([waiting]);
    }
  }
}

const latch = () => {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((settle) => (resolve = settle));
  return { promise, resolve };
};
