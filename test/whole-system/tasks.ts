import { MemoryTaskQueue } from '#libs/event-store';
import type { ClaimedTask, Clock, Task } from '#libs/kernel';

type Open = { readyAt: number; isHeld: boolean; isHastened: boolean };

/** The task queue, which can also be asked what is left in it. */
export class OpenTasks extends MemoryTaskQueue {
  readonly #open = new Map<string, Open>();
  readonly #done: string[] = [];
  readonly #now: () => number;
  /** Position of the last event that tasks were made of. */
  reactedTo = 0;

  constructor(clock: Clock) {
    super(clock);
    this.#now = () => clock.now();
  }

  get all(): readonly { readonly id: string; readonly done: boolean }[] {
    return [
      ...this.#done.map((id) => ({ id, done: true })),
      ...[...this.#open.keys()].map((id) => ({ id, done: false })),
    ];
  }

  isOpen(id: string): boolean {
    return this.#open.has(id);
  }

  isAnyOpen(kind = ''): boolean {
    for (const id of this.#open.keys()) if (id.startsWith(kind)) return true;
    return false;
  }

  isAnyDue(now: number): boolean {
    for (const { readyAt } of this.#open.values()) if (readyAt <= now) return true;
    return false;
  }

  override addNow(tasks: readonly Task[]): void {
    super.addNow(tasks);
    for (const { id, dueAt } of tasks)
      if (!this.#open.has(id) && !this.#done.includes(id))
        this.#open.set(id, { readyAt: dueAt, isHeld: false, isHastened: false });
  }

  override async claim(kinds: readonly string[], limit: number, leaseMs: number): Promise<readonly ClaimedTask[]> {
    const claimed = await super.claim(kinds, limit, leaseMs);
    for (const { id, leaseUntil } of claimed) this.#note(id, { readyAt: leaseUntil, isHeld: true, isHastened: false });
    return claimed;
  }

  override async complete(task: ClaimedTask): Promise<boolean> {
    const isDone = await super.complete(task);
    if (isDone && this.#open.delete(task.id)) this.#done.push(task.id);
    return isDone;
  }

  override async reschedule(task: ClaimedTask, dueAt: number, fresh: boolean): Promise<boolean> {
    const isGiven = await super.reschedule(task, dueAt, fresh);
    const wasHastened = this.#open.get(task.id)?.isHastened === true;
    const readyAt = wasHastened ? Math.min(dueAt, this.#now()) : dueAt;
    if (isGiven) this.#note(task.id, { readyAt, isHeld: false, isHastened: false });
    return isGiven;
  }

  override async hasten(ids: readonly string[]): Promise<void> {
    await super.hasten(ids);
    for (const id of ids) {
      const known = this.#open.get(id);
      if (known?.isHeld === true) this.#note(id, { isHastened: true });
      else if (known) this.#note(id, { readyAt: Math.min(known.readyAt, this.#now()) });
    }
  }

  #note(id: string, change: Partial<Open>): void {
    const known = this.#open.get(id);
    if (known) Object.assign(known, change);
  }
}
