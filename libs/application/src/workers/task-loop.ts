import { trace } from '@opentelemetry/api';
import type { ClaimedTask, TaskQueue } from '#libs/kernel';

export type Disposition =
  | { readonly kind: 'done' }
  /** `fresh`: this was no failure, so attempts are counted anew. */
  | { readonly kind: 'again'; readonly atMs: number; readonly fresh: boolean };

export type Log = {
  readonly info: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
  readonly error: (message: string, fields?: Readonly<Record<string, unknown>>) => void;
};

export type TaskHandlers = Readonly<Record<string, (task: ClaimedTask) => Promise<Disposition>>>;

/**
 * What a killed controller held stands still for this long, a rollback too. A task that takes longer is done twice, which
 * is harmless: what it appends is checked by stream version, and what it delivers by generation.
 */
const LEASE_MS = 5_000;
const POLL_MS = 250;
const RETRY_MS = 1_000;
/** A guard that failed must not rest for long: what it guards goes on. */
const LONGEST_RETRY_MS = 5_000;
/** Most of a task is waiting for the database, and what several ask at the same time is answered together. */
export const AT_ONCE = 64;
/** And so many more of the kinds that never wait for systems of others: those cannot take all the room. */
const RESERVED = 32;

export type TaskLoopOptions = {
  /** By default 5 s; longer for tasks that wait for systems of others. */
  readonly leaseMs?: number;
  /** Kinds that find room however many others hang. Default: none. */
  readonly reserved?: readonly string[];
};

/** Claims due tasks and runs them, several at once; a task that throws is tried again. */
export class TaskLoop {
  readonly #queue: TaskQueue;
  readonly #handlers: TaskHandlers;
  readonly #now: () => number;
  readonly #log: Log;
  readonly #leaseMs: number;
  readonly #reserved: readonly string[];
  readonly #running = new Map<string, Promise<void>>();
  /** Claimed here again while it is still being done. */
  readonly #next = new Map<string, ClaimedTask>();
  #stopped = false;
  #ring: () => void = () => undefined;
  #rung = false;
  #loop: Promise<void> | undefined;
  #unsubscribe: () => void = () => undefined;
  #cannotClaim = false;

  constructor(queue: TaskQueue, handlers: TaskHandlers, now: () => number, log: Log, options: TaskLoopOptions = {}) {
    this.#queue = queue;
    this.#handlers = handlers;
    this.#now = now;
    this.#log = log;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#reserved = options.reserved ?? [];
  }

  start(): void {
    this.#unsubscribe = this.#queue.onDue(() => this.wake());
    this.#loop = this.#work();
  }

  /** Looks for due tasks at once. */
  wake(): void {
    this.#rung = true;
    this.#ring();
  }

  /** Claims nothing more and waits for what is running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.wake();
    await this.#loop;
    while (this.#running.size > 0) await Promise.all(this.#running.values());
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.#rung = false;
      const claimed = await this.#claim();
      // What was claimed while it was being stopped is left to others, who get it when the lease runs out.
      if (this.#stopped) return;
      for (const task of claimed) this.#run(task);
      if (claimed.length === 0) await this.#rest();
    }
  }

  async #claim(): Promise<readonly ClaimedTask[]> {
    const free = AT_ONCE - this.#running.size;
    const kinds = free > 0 ? Object.keys(this.#handlers) : this.#reserved;
    const room = free > 0 ? free : free + RESERVED;
    if (kinds.length === 0 || room <= 0) return [];
    try {
      const claimed = await this.#queue.claim(kinds, room, this.#leaseMs);
      if (this.#cannotClaim) this.#log.info('Tasks can be claimed again.');
      this.#cannotClaim = false;
      return claimed;
    } catch (error) {
      if (!this.#cannotClaim)
        this.#log.error('Tasks cannot be claimed; trying again all the time.', { error: String(error) });
      this.#cannotClaim = true;
      await this.#pauseFully(RETRY_MS);
      return [];
    }
  }

  /**
   * One task is never done twice at once here. It can be claimed while it is: its lease ran out, or the answer to giving
   * it back came after the answer to claiming it.
   */
  #run(task: ClaimedTask): void {
    if (this.#running.has(task.id)) {
      this.#next.set(task.id, task);
      return;
    }
    const running = this.#handle(task).finally(() => {
      this.#running.delete(task.id);
      const next = this.#next.get(task.id);
      this.#next.delete(task.id);
      if (next) this.#run(next);
      this.wake();
    });
    this.#running.set(task.id, running);
  }

  async #handle(task: ClaimedTask): Promise<void> {
    await trace.getTracer('headgate').startActiveSpan(`task ${task.kind}`, async (span) => {
      try {
        await this.#giveBack(task, await this.#outcomeOf(task));
      } finally {
        span.end();
      }
    });
  }

  /** Tried again while the lease runs: a database that was away for a moment must not cost the rest of it. */
  async #giveBack(task: ClaimedTask, disposition: Disposition): Promise<void> {
    const end = performance.now() + LEASE_MS;
    for (;;) {
      try {
        if (disposition.kind === 'done') await this.#queue.complete(task);
        else await this.#queue.reschedule(task, disposition.atMs, disposition.fresh);
        return;
      } catch (error) {
        if (this.#stopped || performance.now() > end) {
          const fields = { task: task.id, error: String(error) };
          this.#log.error('A task could not be given back; its lease will run out.', fields);
          return;
        }
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #outcomeOf(task: ClaimedTask): Promise<Disposition> {
    const handler = this.#handlers[task.kind];
    if (!handler) throw new Error(`Task ${task.id} has kind ${task.kind}, which nothing handles.`);
    try {
      return await handler(task);
    } catch (error) {
      this.#log.error('A task failed and will be tried again.', {
        task: task.id,
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      return {
        kind: 'again',
        atMs: this.#now() + Math.min(RETRY_MS * 2 ** Math.min(task.attempts, 5), LONGEST_RETRY_MS),
        fresh: false,
      };
    }
  }

  async #rest(): Promise<void> {
    if (!this.#rung) await this.#pause(POLL_MS);
  }

  /** A ring does not end this one: rings come with every task that ends, also when nothing can be claimed. */
  async #pauseFully(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (!this.#stopped && performance.now() < until) await this.#pause(until - performance.now());
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#ring = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
