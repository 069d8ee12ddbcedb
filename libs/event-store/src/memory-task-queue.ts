import { randomUUID } from 'node:crypto';
import type { ClaimedTask, Clock, Task } from '#libs/kernel';
import { TaskQueue } from '#libs/kernel';
import { Bell } from './bell.js';
import { DueTimer } from './due-timer.js';

type Entry = {
  readonly task: Task;
  dueAt: number;
  readyAt: number;
  token: string | undefined;
  hastened: boolean;
  attempts: number;
  done: boolean;
};

/** Tasks in memory, for tests and simulations: the same rules as in PostgreSQL, and nothing survives. */
export class MemoryTaskQueue extends TaskQueue {
  readonly #entries = new Map<string, Entry>();
  readonly #bell = new Bell<void>();
  readonly #timer: DueTimer;

  constructor(private readonly clock: Clock) {
    super();
    this.#timer = new DueTimer(clock, () => this.#bell.ring());
  }

  override async add(tasks: readonly Task[]): Promise<void> {
    this.addNow(tasks);
  }

  /** The same without waiting, for a reaction that moves its checkpoint in the same step. */
  addNow(tasks: readonly Task[]): void {
    for (const task of tasks) {
      if (this.#entries.has(task.id)) continue;
      const entry = { task, dueAt: task.dueAt, readyAt: task.dueAt, token: undefined, hastened: false, attempts: 0 };
      this.#entries.set(task.id, { ...entry, done: false });
      this.#timer.expect(task.dueAt);
    }
  }

  override async claim(kinds: readonly string[], limit: number, leaseMs: number): Promise<readonly ClaimedTask[]> {
    const now = this.clock.now();
    const waiting = [...this.#entries.values()].filter((entry) => !entry.done && kinds.includes(entry.task.kind));
    const due = waiting
      .filter((entry) => entry.readyAt <= now)
      .toSorted((a, b) => a.dueAt - b.dueAt || (a.task.id < b.task.id ? -1 : 1))
      .slice(0, limit);
    for (const entry of waiting) if (entry.readyAt > now) this.#timer.expect(entry.readyAt);
    return due.map((entry) => {
      const token = randomUUID();
      Object.assign(entry, { token, readyAt: now + leaseMs, hastened: false, attempts: entry.attempts + 1 });
      return { ...entry.task, dueAt: entry.dueAt, token, attempts: entry.attempts, leaseUntil: entry.readyAt };
    });
  }

  override async complete(task: ClaimedTask): Promise<boolean> {
    const entry = this.#held(task);
    if (entry === undefined) return false;
    Object.assign(entry, { done: true, token: undefined });
    return true;
  }

  override async reschedule(task: ClaimedTask, dueAt: number, fresh: boolean): Promise<boolean> {
    const entry = this.#held(task);
    if (entry === undefined) return false;
    const due = entry.hastened ? Math.min(dueAt, this.clock.now()) : dueAt;
    const attempts = fresh ? 0 : entry.attempts;
    Object.assign(entry, { dueAt: due, readyAt: due, token: undefined, hastened: false, attempts });
    this.#timer.expect(due);
    return true;
  }

  override async hasten(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#hastenOne(id);
  }

  #hastenOne(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.done) return;
    if (entry.token !== undefined) {
      entry.hastened = true;
      return;
    }
    const due = Math.min(entry.dueAt, this.clock.now());
    Object.assign(entry, { dueAt: due, readyAt: due });
    this.#bell.ring();
  }

  override onDue(listener: () => void): () => void {
    return this.#bell.listen(listener);
  }

  #held({ id, token }: ClaimedTask): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && !entry.done && entry.token === token ? entry : undefined;
  }
}
