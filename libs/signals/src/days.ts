import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '#libs/postgres';

export const DAY_MS = 86_400_000;
/** Tables made before their day begins, so that every controller may be away for so long. */
const DAYS_AHEAD = 7;
/** Only one controller at a time makes and drops tables of days; these are the letters HGDY. */
const DAYS_LOCK = 0x48474459;
/** Nobody waits longer for the making or dropping of a day: it is tried again in the next round. */
const PATIENCE = '1s';
const LOCK_NOT_AVAILABLE = '55P03';

/** A table of rows by `minute`, in one table for each day, and for how many days it is kept. */
export type ByDay = { readonly table: string; readonly days: number };

const startOfDay = (at: number): number => Math.floor(at / DAY_MS) * DAY_MS;

/** `20250901` → its first moment in epoch milliseconds. */
const dayOf = (suffix: string): number =>
  Date.parse(`${suffix.slice(0, 4)}-${suffix.slice(4, 6)}-${suffix.slice(6)}T00:00:00.000Z`);

/** Days that have a table. */
const daysOf = async (pool: Pool, table: string): Promise<ReadonlySet<number>> => {
  const { rows } = await pool.query<{ readonly day: string }>(
    `select right(part.relname, 8) as day
     from pg_inherits join pg_class part on part.oid = inhrelid
     where inhparent = to_regclass('evidence.' || $1) and part.relname ~ ('^' || $1 || '_[0-9]{8}$')`,
    [table],
  );
  return new Set(rows.map(({ day }) => dayOf(day)));
};

/** Days of rows that came before their day had a table. */
const daysOfRest = async (pool: Pool, table: string, since: number): Promise<readonly number[]> => {
  const { rows } = await pool.query<{ readonly day: string }>(
    `select distinct minute / ${DAY_MS} as day from evidence.${table}_rest where minute >= $1`,
    [since],
  );
  return rows.map(({ day }) => Number(day) * DAY_MS);
};

/** Undefined where another controller is at it, or where somebody reads or writes for longer than the patience. */
const alone = async (pool: Pool, work: (client: PoolClient) => Promise<void>): Promise<void> => {
  try {
    await inTransaction(pool, async (client) => {
      const { rows } = await client.query<{ readonly free: boolean }>('select pg_try_advisory_xact_lock($1) as free', [
        DAYS_LOCK,
      ]);
      if (rows[0]?.free !== true) return;
      await client.query(`set local lock_timeout = '${PATIENCE}'`);
      await work(client);
    });
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== LOCK_NOT_AVAILABLE) throw error;
  }
};

/**
 * Drops the days of a table that are too old, and makes those to come, also such as rows came for before there was one.
 * Rows that are too old and have no day are left to the caller: they are in the table `_rest`. Any number of controllers
 * may do so at once; what cannot be done at once is left to the next round. Gives how many days were dropped.
 */
export const keepDays = async (pool: Pool, { table, days }: ByDay, now: number): Promise<number> => {
  const oldest = startOfDay(now - days * DAY_MS);
  const today = startOfDay(now);
  const known = await daysOf(pool, table);
  const ahead = Array.from({ length: DAYS_AHEAD + 1 }, (_, n) => today + n * DAY_MS);
  const wanted = new Set([...ahead, ...(await daysOfRest(pool, table, oldest))]);
  for (const day of wanted)
    if (!known.has(day))
      await alone(pool, async (client) => void (await client.query('select evidence.add_day($1, $2)', [table, day])));
  let dropped = 0;
  for (const day of known)
    if (day < oldest)
      await alone(pool, async (client) => {
        await client.query('select evidence.drop_day($1, $2)', [table, day]);
        dropped += 1;
      });
  return dropped;
};
