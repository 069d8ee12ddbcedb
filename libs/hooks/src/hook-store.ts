import type { Pool } from 'pg';

/** An event that waits, as it is sent. */
export type Waiting = {
  readonly position: number;
  readonly lane: string;
  readonly eventId: string;
  readonly body: string;
  readonly attempts: number;
  readonly queuedAt: number;
  readonly readyAt: number;
};

export type NewWaiting = Pick<Waiting, 'position' | 'lane' | 'eventId' | 'body'>;

export type Progress = { readonly readTo: number; readonly resumed: number; readonly waiting: number };

/** How a hook is, for people. */
export type HookStatus = {
  readonly readTo: number | null;
  readonly delivered: number | null;
  readonly deliveredAt: string | null;
  readonly waiting: number;
  readonly dead: number;
  readonly error: string | null;
  /** Since when the oldest event that failed has waited, ISO 8601. */
  readonly failingSince: string | null;
  readonly trouble: string | null;
};

type WaitingRow = {
  readonly position: string;
  readonly lane: string;
  readonly event_id: string;
  readonly body: string;
  readonly attempts: number;
  readonly queued_at: string;
  readonly ready_at: string;
};

const toWaiting = (row: WaitingRow): Waiting => ({
  position: Number(row.position),
  lane: row.lane,
  eventId: row.event_id,
  body: row.body,
  attempts: row.attempts,
  queuedAt: Number(row.queued_at),
  readyAt: Number(row.ready_at),
});

const COLUMNS = 'position, lane, event_id, body, attempts, queued_at, ready_at';

type StatusRow = {
  readonly hook: string;
  readonly read_to: string | null;
  readonly delivered: string | null;
  readonly delivered_at: Date | null;
  readonly trouble: string | null;
  readonly waiting: string;
  readonly dead: string;
  readonly error: string | null;
  readonly failing_since: string | null;
};

const orNull = (text: string | null): number | null => (text === null ? null : Number(text));

/** What is on its way to hooks, in PostgreSQL. */
export class PostgresHookStore {
  constructor(private readonly pool: Pool) {}

  /** How far a hook was read for; from `addedAt` on where that was never. */
  async progress(hook: string, addedAt: number): Promise<Progress> {
    await this.pool.query('insert into hooks.progress (hook, read_to) values ($1, $2) on conflict (hook) do nothing', [
      hook,
      addedAt,
    ]);
    const { rows } = await this.pool.query<{ read_to: string; resumed: string; waiting: string }>(
      `select read_to, resumed, (select count(*) from hooks.waiting w where w.hook = p.hook and not dead) as waiting
       from hooks.progress p where hook = $1`,
      [hook],
    );
    const row = rows[0];
    return {
      readTo: Number(row?.read_to ?? addedAt),
      resumed: Number(row?.resumed ?? 0),
      waiting: Number(row?.waiting ?? 0),
    };
  }

  /** Puts events in and moves on from `from` to `to`, both or neither. False when somebody else has moved it on. */
  async queue(
    hook: string,
    { from, to, now }: { readonly from: number; readonly to: number; readonly now: number },
    events: readonly NewWaiting[],
  ): Promise<boolean> {
    const { rows } = await this.pool.query<{ moved: boolean }>(
      `with moved as (
         update hooks.progress set read_to = $3 where hook = $1 and read_to = $2 returning hook),
       added as (
         insert into hooks.waiting (hook, position, lane, event_id, body, queued_at, ready_at)
         select moved.hook, e.position, e.lane, e.event_id, e.body, $4, $4
         from moved, unnest($5::bigint[], $6::text[], $7::text[], $8::text[]) as e(position, lane, event_id, body))
       select exists (select from moved) as moved`,
      [
        hook,
        from,
        to,
        now,
        events.map(({ position }) => position),
        events.map(({ lane }) => lane),
        events.map(({ eventId }) => eventId),
        events.map(({ body }) => body),
      ],
    );
    return rows[0]?.moved === true;
  }

  /** The first event of each lane that still waits. */
  async heads(hook: string): Promise<readonly Waiting[]> {
    const { rows } = await this.pool.query<WaitingRow>(
      `select distinct on (lane) ${COLUMNS} from hooks.waiting
       where hook = $1 and not dead order by lane, position`,
      [hook],
    );
    return rows.map(toWaiting);
  }

  /** Takes a delivered event out and gives the next of its lane. */
  async delivered(hook: string, { position, lane }: Waiting, now: number): Promise<Waiting | undefined> {
    await this.pool.query(
      `with gone as (delete from hooks.waiting where hook = $1 and position = $2)
       update hooks.progress
       set delivered = greatest(delivered, $2), delivered_at = to_timestamp($3::double precision / 1000), trouble = null
       where hook = $1`,
      [hook, position, now],
    );
    const { rows } = await this.pool.query<WaitingRow>(
      `select ${COLUMNS} from hooks.waiting where hook = $1 and lane = $2 and not dead order by position limit 1`,
      [hook, lane],
    );
    return rows[0] && toWaiting(rows[0]);
  }

  /** Notes a failed attempt: tried again at `readyAt`, or given up where that is null. */
  async failed(hook: string, position: number, error: string, readyAt: number | null): Promise<void> {
    await this.pool.query(
      `update hooks.waiting
       set attempts = attempts + 1, error = $3, ready_at = coalesce($4::bigint, ready_at), dead = $4::bigint is null
       where hook = $1 and position = $2`,
      [hook, position, error, readyAt],
    );
  }

  /** Lets everything be tried at once, what was given up too. `resumed`: the event that asked for it. */
  async revive(hook: string, resumed: number, now: number): Promise<void> {
    await this.pool.query(
      `with revived as (
         update hooks.waiting set dead = false, attempts = 0, queued_at = $3, ready_at = $3 where hook = $1)
       update hooks.progress set resumed = $2, trouble = null where hook = $1`,
      [hook, resumed, now],
    );
  }

  /** Why nothing can be sent now; null when something can. */
  async trouble({ hook, addedAt }: { hook: string; addedAt: number }, words: string | null): Promise<void> {
    await this.pool.query(
      `insert into hooks.progress (hook, read_to, trouble) values ($1, $2, $3)
       on conflict (hook) do update set trouble = excluded.trouble
       where progress.trouble is distinct from excluded.trouble`,
      [hook, addedAt, words],
    );
  }

  async forget(hook: string): Promise<void> {
    await this.pool.query('delete from hooks.waiting where hook = $1', [hook]);
    await this.pool.query('delete from hooks.progress where hook = $1', [hook]);
  }

  async statuses(hooks: readonly string[]): Promise<ReadonlyMap<string, HookStatus>> {
    const { rows } = await this.pool.query<StatusRow>(
      `select p.hook, p.read_to, p.delivered, p.delivered_at, p.trouble,
         count(w.position) filter (where not w.dead) as waiting,
         count(w.position) filter (where w.dead) as dead,
         (array_agg(w.error order by w.dead, w.position) filter (where w.error is not null))[1] as error,
         min(w.queued_at) filter (where w.error is not null) as failing_since
       from hooks.progress p left join hooks.waiting w on w.hook = p.hook
       where p.hook = any ($1::text[]) group by p.hook`,
      [hooks],
    );
    return new Map(
      rows.map((row) => [
        row.hook,
        {
          readTo: orNull(row.read_to),
          delivered: orNull(row.delivered),
          deliveredAt: row.delivered_at?.toISOString() ?? null,
          waiting: Number(row.waiting),
          dead: Number(row.dead),
          error: row.error,
          failingSince: row.failing_since === null ? null : new Date(Number(row.failing_since)).toISOString(),
          trouble: row.trouble,
        },
      ]),
    );
  }
}
