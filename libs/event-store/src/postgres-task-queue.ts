import { randomUUID } from 'node:crypto';
import type { ClaimedTask, Clock, JsonObject, Task } from '#libs/kernel';
import { TaskQueue } from '#libs/kernel';
import { Together } from '#libs/postgres';
import type { Pool, PoolClient } from 'pg';
import { Bell } from './bell.js';
import { PRESENCE, type Doorbell } from './doorbell.js';
import { DueTimer } from './due-timer.js';

const TASK_CHANNEL = 'process_tasks';
/** Between two looks for tasks whose holder has died. */
const TAKE_OVER_MS = 500;

/** Epoch milliseconds by the server's clock, the one clock that all controllers share. */
const SERVER_NOW = `(extract(epoch from clock_timestamp()) * 1000)::bigint`;

/**
 * Frees tasks whose token names a process that holds its mark no more; the lease ends those of all others. One that
 * somebody works on at this moment is left for the next time: who locks many rows waits for none of them.
 */
const TAKE_OVER = {
  name: 'process_take_over_tasks',
  text: `with orphans as (
      select id from process.tasks t
      where t.done_at is null and t.token like '%:%' and not exists (
        select from pg_locks l
        where l.locktype = 'advisory' and l.classid = ${PRESENCE} and l.objsubid = 2 and l.granted
          and l.objid = split_part(t.token, ':', 1)::bigint
          and l.database = (select oid from pg_database where datname = current_database()))
      for update skip locked)
    update process.tasks t set token = null, ready_at = t.due_at from orphans where t.id = orphans.id`,
};

export type PostgresTaskQueueOptions = {
  readonly pool: Pool;
  /** Brings tasks that other processes add; without one only polls notice them. */
  readonly doorbell?: Doorbell;
  /** For tests that turn the clock. Default: the server's clock for leases, this machine's for the ring. */
  readonly clock?: Clock;
  /** By which callers say when a task is due; it may differ from the server's. Default: this machine's. */
  readonly callersClock?: Clock;
};

type ClaimRow = {
  readonly id: string;
  readonly kind: string;
  readonly payload: JsonObject;
  readonly due_at: string | number;
  readonly ready_at: string | number;
  readonly attempts: number;
};

const toClaimed = (row: ClaimRow, token: string): ClaimedTask => ({
  id: row.id,
  kind: row.kind,
  payload: row.payload,
  dueAt: Number(row.due_at),
  leaseUntil: Number(row.ready_at),
  attempts: row.attempts,
  token,
});

type GivenBack = { readonly task: ClaimedTask; readonly dueAt: number; readonly fresh: boolean };

/**
 * Tasks in PostgreSQL, for any number of controllers: a lease keeps others away, its token fences off a late holder.
 * Tasks of a process that has died are free at once, and not only when their lease has ended.
 */
export class PostgresTaskQueue extends TaskQueue {
  readonly #pool: Pool;
  readonly #clock: Clock | undefined;
  readonly #callersClock: Clock;
  readonly #doorbell: Doorbell | undefined;
  #tookOverAt = 0;
  readonly #bell = new Bell<void>();
  readonly #timer: DueTimer;
  readonly #given = new Together<GivenBack, boolean>({
    answer: (given) => this.#giveBack(given),
    keyOf: ({ task }) => task.id,
  });
  readonly #silence: () => void;

  constructor(options: PostgresTaskQueueOptions) {
    super();
    this.#pool = options.pool;
    this.#clock = options.clock;
    this.#callersClock = options.callersClock ?? options.clock ?? { now: () => Date.now() };
    this.#timer = new DueTimer(this.#callersClock, () => this.#bell.ring());
    this.#doorbell = options.doorbell;
    this.#silence = options.doorbell?.listen(TASK_CHANNEL, () => this.#bell.ring()) ?? (() => undefined);
  }

  override async add(tasks: readonly Task[]): Promise<void> {
    await this.addOn(this.#pool, tasks);
    this.announce(tasks);
  }

  /** The same on a connection of the caller's, inside its transaction; `announce` when that is committed. */
  async addOn(connection: Pick<Pool | PoolClient, 'query'>, tasks: readonly Task[]): Promise<void> {
    if (tasks.length === 0) return;
    await connection.query({
      name: 'process_add_tasks',
      text: `with added as (
          insert into process.tasks (id, kind, payload, due_at, ready_at)
          select id, kind, payload::json, due_at, due_at
          from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) as t(id, kind, payload, due_at)
          on conflict (id) do nothing
          returning due_at)
        select pg_notify('${TASK_CHANNEL}', min(due_at)::text) from added having count(*) > 0`,
      values: [
        tasks.map((task) => task.id),
        tasks.map((task) => task.kind),
        tasks.map((task) => JSON.stringify(task.payload)),
        tasks.map((task) => task.dueAt),
      ],
    });
  }

  /** Wakes the workers of this process for tasks that are committed now. */
  announce(tasks: readonly Task[]): void {
    for (const task of tasks) this.#timer.expect(task.dueAt);
  }

  override async claim(kinds: readonly string[], limit: number, leaseMs: number): Promise<readonly ClaimedTask[]> {
    await this.#takeOver();
    const mark = this.#doorbell?.present?.();
    const token = mark === undefined ? randomUUID() : `${mark}:${randomUUID()}`;
    const { rows } = await this.#pool.query<ClaimRow & { readonly next_in: string | number | null }>({
      name: 'process_claim_tasks',
      text: `with clock as materialized (select coalesce($4::bigint, ${SERVER_NOW}) as now),
        due as (
          select id from process.tasks, clock
          where done_at is null and ready_at <= now and kind = any($1)
          order by due_at, id limit $2
          for update of tasks skip locked),
        claimed as (
          update process.tasks t
          set token = $3, ready_at = now + $5::bigint, attempts = attempts + 1, hastened = false
          from due, clock where t.id = due.id
          returning t.id, t.kind, t.payload, t.due_at, t.ready_at, t.attempts),
        waiting as (
          select min(ready_at - now) as next_in from process.tasks, clock
          where done_at is null and ready_at > now and kind = any($1))
        select claimed.*, next_in from waiting left join claimed on true order by due_at, id`,
      values: [kinds, limit, token, this.#clock?.now() ?? null, leaseMs],
    });
    const next = rows[0]?.next_in;
    if (next !== null && next !== undefined) this.#timer.expectIn(Number(next));
    return rows.flatMap((row) => (row.id === null ? [] : [toClaimed(row, token)]));
  }

  /** A controller that was killed must not keep its tasks until their lease ends. */
  async #takeOver(): Promise<void> {
    const now = performance.now();
    if (this.#doorbell === undefined || now - this.#tookOverAt < TAKE_OVER_MS) return;
    this.#tookOverAt = now;
    await this.#pool.query(TAKE_OVER);
  }

  override async complete(task: ClaimedTask): Promise<boolean> {
    const { rowCount } = await this.#pool.query({
      name: 'process_complete_task',
      text: `update process.tasks set done_at = coalesce($3::bigint, ${SERVER_NOW}), token = null
        where id = $1 and token = $2 and done_at is null`,
      values: [task.id, task.token, this.#clock?.now() ?? null],
    });
    return rowCount === 1;
  }

  override reschedule(task: ClaimedTask, dueAt: number, fresh: boolean): Promise<boolean> {
    return this.#given.ask({ task, dueAt, fresh });
  }

  /** Many at once: most tasks come back again and again. Rows are locked in one order. */
  async #giveBack(given: readonly GivenBack[]): Promise<readonly boolean[]> {
    const { rows } = await this.#pool.query<{ id: string; due_in: string | number }>({
      name: 'process_reschedule_tasks',
      text: `with clock as materialized (select coalesce($5::bigint, ${SERVER_NOW}) as now),
        given as (select * from unnest($1::text[], $2::text[], $3::bigint[], $4::boolean[]) as given(id, token, due_in, fresh)),
        held as (
          select id, fresh, now, now + case when hastened then least(due_in, 0) else due_in end as due
          from process.tasks join given using (id, token) cross join clock
          where done_at is null order by id for update of tasks)
        update process.tasks t
        set due_at = held.due, ready_at = held.due, token = null, hastened = false,
            attempts = case when fresh then 0 else attempts end
        from held where t.id = held.id
        returning t.id, held.due - held.now as due_in`,
      values: [
        given.map(({ task }) => task.id),
        given.map(({ task }) => task.token),
        given.map(({ dueAt }) => Math.round(dueAt - this.#callersClock.now())),
        given.map(({ fresh }) => fresh),
        this.#clock?.now() ?? null,
      ],
    });
    const dueIn = rows.map((row) => Number(row.due_in));
    if (dueIn.length > 0) this.#timer.expectIn(Math.min(...dueIn));
    const ids = new Set(rows.map(({ id }) => id));
    return given.map(({ task }) => ids.has(task.id));
  }

  /** Rows are locked in the order of their ids, so that two who hasten many never wait for each other in a circle. */
  override async hasten(ids: readonly string[]): Promise<void> {
    const { rowCount } = await this.#pool.query({
      name: 'process_hasten_tasks',
      text: `with locked as (
          select id from process.tasks where id = any ($1::text[]) and done_at is null order by id for update),
        hastened as (
          update process.tasks t
          set hastened = t.token is not null,
              due_at = case when t.token is null then least(t.due_at, n.now) else t.due_at end,
              ready_at = case when t.token is null then least(t.ready_at, n.now) else t.ready_at end
          from locked, (select coalesce($2::bigint, ${SERVER_NOW}) as now) n
          where t.id = locked.id
          returning t.token)
        select pg_notify('${TASK_CHANNEL}', '') from hastened where token is null limit 1`,
      values: [ids, this.#clock?.now() ?? null],
    });
    if (rowCount === 1) this.#bell.ring();
  }

  override onDue(listener: () => void): () => void {
    return this.#bell.listen(listener);
  }

  /** Deletes finished tasks that ended before this time (epoch milliseconds); their ids could be added again then. */
  async forgetDone(before: number): Promise<number> {
    const { rowCount } = await this.#pool.query('delete from process.tasks where done_at < $1', [before]);
    return rowCount ?? 0;
  }

  /** Stops ringing. The pool stays open. */
  close(): void {
    this.#silence();
    this.#timer.stop();
  }
}
