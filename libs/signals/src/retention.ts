import type { Pool } from 'pg';

const DAY_MS = 86_400_000;
/** Batches may be repeated for so long and are counted once. */
const BATCH_DAYS = 7;
/** Plans predict from the traffic of ten minutes; the rest is for people. */
const TRAFFIC_DAYS = 14;
/** Twice the look-back of an invariant. */
const LOOK_BACK_DAYS = 2;
/** A source that has not been seen for longer begins anew: processes come and go, and each has a state of its own. */
const SOURCE_DAYS = 2;
/** Rows that one statement deletes: nobody waits long for its locks. */
const CHUNK = 5_000;

/** What holds ids of units and requests, and when a row of it came. */
const OF_UNITS = [
  ['candidate_units', 'seen_at'],
  ['first_bad', 'arrived_at'],
  ['first_values', 'arrived_at'],
  ['violations', 'violated_at'],
] as const;

const OF_TRAFFIC = [
  ['traffic', 'minute'],
  ['traffic_bad', 'minute'],
  ['observed', 'minute'],
] as const;

type Forgotten = { readonly units: number; readonly others: number };

/**
 * Drops what is not kept: ids of units and requests after `unitDays` (what they were counted for stays), batch ids,
 * minutes of traffic and of violations after days of their own. A rollout that runs longer than `unitDays` counts a unit
 * again that it counted before. Any number of controllers may do so at once.
 */
export class Retention {
  constructor(
    private readonly pool: Pool,
    private readonly unitDays: number,
  ) {}

  /** Gives how many rows were dropped; `now` is in epoch milliseconds. */
  async forget(now: number): Promise<Forgotten> {
    let [units, others] = [0, 0];
    for (const [table, column] of OF_UNITS) units += await this.drop(table, column, now - this.unitDays * DAY_MS);
    for (const [table, column] of OF_TRAFFIC) others += await this.drop(table, column, now - TRAFFIC_DAYS * DAY_MS);
    others += await this.drop('batches', 'received_at', now - BATCH_DAYS * DAY_MS);
    others += await this.drop('sources', 'seen_at', now - SOURCE_DAYS * DAY_MS);
    others += await this.drop('violations_seen', 'minute', now - LOOK_BACK_DAYS * DAY_MS);
    return { units, others };
  }

  /** Names are this file's own. */
  private async drop(table: string, column: string, before: number): Promise<number> {
    let dropped = 0;
    for (;;) {
      const { rowCount } = await this.pool.query(
        `delete from evidence.${table} where ctid = any (array(
           select ctid from evidence.${table} where ${column} < $1 limit ${CHUNK} for update skip locked))`,
        [before],
      );
      dropped += rowCount ?? 0;
      if ((rowCount ?? 0) < CHUNK) return dropped;
    }
  }
}
