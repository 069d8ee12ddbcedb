import { setImmediate as nextTurn } from 'node:timers/promises';

type Waiting<T, R> = {
  readonly item: T;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
};

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
 * is shared. One item that cannot be stored fails alone.
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
    while (this.#waiting.length > 0) {
      // Callers that were just answered often come straight back: let them join.
      await nextTurn();
      const count = Math.max(1, this.options.fit(this.#waiting.map((waiting) => waiting.item)));
      await this.#flush(this.#waiting.splice(0, count));
    }
    this.#running = undefined;
  }

  async #flush(group: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await this.options.flush(group.map((waiting) => waiting.item));
      for (const [index, waiting] of group.entries()) waiting.resolve(results[index] as R);
    } catch (error) {
      if (group.length > 1 && this.options.isRolledBack(error)) {
        for (const waiting of group) await this.#flush([waiting]);
      } else {
        for (const waiting of group) waiting.reject(error);
      }
    }
  }
}
