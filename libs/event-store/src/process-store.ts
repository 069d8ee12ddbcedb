import type { EventStore, ProcessManager } from '#libs/kernel';
import type { Pool, PoolClient } from 'pg';
import { asError } from './health.js';
import type { MemoryTaskQueue } from './memory-task-queue.js';
import type { PostgresEventStore } from './postgres-event-store.js';
import type { PostgresTaskQueue } from './postgres-task-queue.js';
import { readPage } from './read-page.js';

/** What one step of a process manager did. `busy`: another controller is at it. */
export type StepResult =
  { readonly kind: 'busy' } | { readonly kind: 'moved'; readonly position: number; readonly events: number };

/** Reads on from the checkpoint, reacts, and keeps tasks and checkpoint together. */
export type ProcessStore = {
  /** Throws `UnknownEventError` when the very next event is unknown; events before one are handled first. */
  readonly step: (manager: ProcessManager, limit: number) => Promise<StepResult>;
};

export type PostgresProcessStoreOptions = {
  readonly pool: Pool;
  readonly store: PostgresEventStore;
  readonly tasks: PostgresTaskQueue;
};

const TAKE_CHECKPOINT = {
  name: 'process_take_checkpoint',
  text: 'select position from process.checkpoints where name = $1 for update skip locked',
};
const MAKE_CHECKPOINT = {
  name: 'process_make_checkpoint',
  text: `insert into process.checkpoints (name, position)
    select $1, 0 where not exists (select from process.checkpoints where name = $1) on conflict (name) do nothing`,
};
const MOVE_CHECKPOINT = {
  name: 'process_move_checkpoint',
  text: 'update process.checkpoints set position = $2, moved_at = clock_timestamp() where name = $1',
};

/** Checkpoints in PostgreSQL: tasks and checkpoint in one transaction, which holds the checkpoint's row. */
export class PostgresProcessStore implements ProcessStore {
  constructor(private readonly options: PostgresProcessStoreOptions) {}

  async step(manager: ProcessManager, limit: number): Promise<StepResult> {
    const client = await this.options.pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const result = await this.#stepOn(client, manager, limit);
      await client.query('commit');
      if (result.kind === 'busy') return result;
      this.options.tasks.announce(result.added);
      return { kind: 'moved', position: result.position, events: result.events };
    } catch (error) {
      // Closing the connection ends the transaction, and a session that is read-only, or silent, with it.
      broken = asError(error);
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async #stepOn(client: PoolClient, manager: ProcessManager, limit: number) {
    const after = await this.#takeCheckpoint(client, manager.name);
    if (after === undefined) return { kind: 'busy' } as const;
    const page = await readPage((options) => this.options.store.readAllOn(client, options), after, limit);
    if (page.unknown !== undefined && page.events.length === 0) throw page.unknown;
    const position = page.events.at(-1)?.position ?? after;
    const added = page.events.flatMap((event) => manager.react(event));
    await this.options.tasks.addOn(client, added);
    if (position > after) await client.query({ ...MOVE_CHECKPOINT, values: [manager.name, position] });
    return { kind: 'moved', position, events: page.events.length, added } as const;
  }

  /** Undefined when another controller holds it. */
  async #takeCheckpoint(client: PoolClient, name: string): Promise<number | undefined> {
    for (;;) {
      const taken = await client.query<{ position: string | number }>({ ...TAKE_CHECKPOINT, values: [name] });
      const row = taken.rows[0];
      if (row !== undefined) return Number(row.position);
      const made = await client.query({ ...MAKE_CHECKPOINT, values: [name] });
      if (made.rowCount === 0) return undefined;
    }
  }
}

/** Checkpoints in memory, for tests and simulations. */
export class MemoryProcessStore implements ProcessStore {
  readonly #positions = new Map<string, number>();

  constructor(private readonly options: { readonly store: EventStore; readonly tasks: MemoryTaskQueue }) {}

  async step(manager: ProcessManager, limit: number): Promise<StepResult> {
    const after = this.#positions.get(manager.name) ?? 0;
    const page = await readPage((options) => this.options.store.readAll(options), after, limit);
    // Somebody else made this step while we read.
    if ((this.#positions.get(manager.name) ?? 0) !== after) return { kind: 'busy' };
    if (page.unknown !== undefined && page.events.length === 0) throw page.unknown;
    const added = page.events.flatMap((event) => manager.react(event));
    const position = page.events.at(-1)?.position ?? after;
    this.options.tasks.addNow(added);
    this.#positions.set(manager.name, position);
    return { kind: 'moved', position, events: page.events.length };
  }
}
