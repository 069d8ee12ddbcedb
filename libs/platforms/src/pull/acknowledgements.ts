import type { Heartbeat } from '../driver.js';
import { CHANNEL, type Queryable } from './postgres.js';

type Row = {
  readonly target: string;
  readonly instance: string;
  readonly generation: number;
  readonly error: string | null;
  readonly seenAt: number;
  readonly since: number;
};

/** Heartbeats that are written together, by instance. */
type Group = { readonly rows: Map<string, Row>; readonly written: Promise<void> };

const WRITE = `
with written as (
  insert into delivery.instances as known (target, instance, generation, error, seen_at)
  select * from unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::timestamptz[])
  on conflict (target, instance) do update
  set generation = excluded.generation, error = excluded.error, seen_at = excluded.seen_at
  where known.seen_at <= excluded.seen_at
), first_heard as (
  insert into delivery.acknowledged (target, instance, generation, since, heard_at)
  select * from unnest($7::text[], $8::text[], $9::bigint[], $10::timestamptz[], $11::timestamptz[])
  on conflict (target, instance, generation) do nothing
)
select pg_notify('${CHANNEL}', 'instances ' || target) from unnest($6::text[]) as news (target)`;

const LEAVE = `
with gone as (delete from delivery.instances where target = $1 and instance = $2)
select pg_notify('${CHANNEL}', 'instances ' || $1)`;

const FORGET = 'delete from delivery.instances where seen_at < $1';
const FORGET_FIRST = 'delete from delivery.acknowledged where heard_at < $1';
/** What an instance served at a moment is asked for as long as somebody may look into an incident of the year before. */
const FIRST_KEPT_MS = 400 * 86_400_000;
const FORGET_EVERY_MS = 60_000;
const MOST_REMEMBERED = 100_000;

const saying = (row: Row): string => `${row.generation} ${row.error ?? ''}`;

/**
 * Writes heartbeats in groups: while one write is under way the next ones gather, and the last of each instance wins.
 * Rings the channel only for targets where an instance is new or says something new.
 */
export class AcknowledgementWriter {
  private gathering: Group | undefined;
  private underWay: Promise<void> = Promise.resolve();
  private readonly said = new Map<string, string>();
  private forgottenAt = 0;

  constructor(
    private readonly database: Queryable,
    private readonly forgetAfterMs: number,
  ) {}

  /** Resolves when the heartbeat, or a later one of the same instance, is durable; rejects when the write failed. */
  add(target: string, instance: string, heartbeat: Heartbeat, now: number): Promise<void> {
    const { generation, error = null } = heartbeat;
    const since = Math.min(heartbeat.since ?? now, now);
    const group = (this.gathering ??= this.open());
    const key = JSON.stringify([target, instance]);
    if ((group.rows.get(key)?.seenAt ?? 0) <= now) {
      group.rows.set(key, { target, instance, generation, error, seenAt: now, since });
    }
    return group.written;
  }

  /** Forgets an instance that says that it ends; one that is not known changes nothing. */
  async leave(target: string, instance: string): Promise<void> {
    await this.underWay.catch(() => undefined);
    this.said.delete(JSON.stringify([target, instance]));
    await this.database.query(LEAVE, [target, instance]);
  }

  private open(): Group {
    const rows = new Map<string, Row>();
    const written = this.underWay.then(() => {
      this.gathering = undefined;
      return this.write(rows);
    });
    // Those who wait for this group are told of its failure; the next group starts all the same.
    this.underWay = written.catch(() => undefined);
    return { rows, written };
  }

  /** Rows go in one order everywhere, so that two controllers cannot block each other. */
  private async write(rows: ReadonlyMap<string, Row>): Promise<void> {
    const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const list = sorted.map(([, row]) => row);
    const news = sorted.filter(([key, row]) => this.said.get(key) !== saying(row)).map(([, row]) => row);
    const first = news.filter(({ generation }) => generation > 0);
    await this.database.query(WRITE, [
      list.map((row) => row.target),
      list.map((row) => row.instance),
      list.map((row) => row.generation),
      list.map((row) => row.error),
      list.map((row) => new Date(row.seenAt)),
      [...new Set(news.map((row) => row.target))],
      first.map((row) => row.target),
      first.map((row) => row.instance),
      first.map((row) => row.generation),
      first.map((row) => new Date(row.since)),
      first.map((row) => new Date(row.seenAt)),
    ]);
    if (this.said.size > MOST_REMEMBERED) this.said.clear();
    for (const [key, row] of sorted) this.said.set(key, saying(row));
    await this.forget(Math.max(...list.map((row) => row.seenAt)));
  }

  private async forget(now: number): Promise<void> {
    if (now - this.forgottenAt < FORGET_EVERY_MS) return;
    this.forgottenAt = now;
    await this.database.query(FORGET, [new Date(now - this.forgetAfterMs)]);
    await this.database.query(FORGET_FIRST, [new Date(now - FIRST_KEPT_MS)]);
  }
}
