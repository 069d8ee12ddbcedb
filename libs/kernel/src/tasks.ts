import type { JsonObject } from './json.js';
import type { RecordedEvent } from './events.js';

/** What must happen next, as data. Adding a task whose id exists changes nothing. */
export type Task = {
  readonly id: string;
  readonly kind: string;
  /** Epoch milliseconds; not claimed before. */
  readonly dueAt: number;
  readonly payload: JsonObject;
};

/** A task that a worker holds until `leaseUntil`; `token` fences it off against a later holder. */
export type ClaimedTask = Task & { readonly token: string; readonly attempts: number; readonly leaseUntil: number };

/** Durable tasks. */
export abstract class TaskQueue {
  abstract add(tasks: readonly Task[]): Promise<void>;
  /** Claims up to `limit` due tasks of the kinds, oldest due first; each stays ours for `leaseMs`. */
  abstract claim(kinds: readonly string[], limit: number, leaseMs: number): Promise<readonly ClaimedTask[]>;
  /** Ends the task. False when the lease was lost to another worker: then nothing changed. */
  abstract complete(task: ClaimedTask): Promise<boolean>;
  /** Gives the task back to be claimed at `dueAt`. False when the lease was lost. `attempts` starts anew if `fresh`. */
  abstract reschedule(task: ClaimedTask, dueAt: number, fresh: boolean): Promise<boolean>;
  /** Makes waiting tasks with these ids due now; one that is held is due again when it is given back. */
  abstract hasten(ids: readonly string[]): Promise<void>;
  /** Rings when a task may have become due; may be lost without harm. */
  abstract onDue(listener: () => void): () => void;
}

/** Reads the log from its checkpoint and turns events into tasks, both in one transaction; safe with any number of controllers. */
export type ProcessManager = {
  readonly name: string;
  readonly react: (event: RecordedEvent) => readonly Task[];
};
