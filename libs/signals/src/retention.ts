import type { Pool } from 'pg';
import { DAY_MS, keepDays } from './days.js';

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
  ['leftover_units', 'seen_at'],
  ['first_bad', 'arrived_at'],
  ['first_values', 'arrived_at'],
  ['violations', 'violated_at'],
] as const;

/** Rows by the minute, kept by their age alone: days are dropped as a whole. */
const BY_DAY = [
  { table: 'traffic', days: TRAFFIC_DAYS },
  { table: 'traffic_bad', days: TRAFFIC_DAYS },
  { table: 'violations_seen', days: LOOK_BACK_DAYS },
] as const;

/** Rows that were deleted, and days that were dropped with all their rows. */
type Forgotten = { readonly units: number; readonly others: number; readonly days: number };

/**
 * Drops what is not kept: ids of units and requests after `unitDays` (what they were counted for stays), batch ids,
 * minutes of traffic and of violations after days of their own, and makes the tables of days to come. Batch ids are
 * deleted one by one: what is counted once has to be unique over all days. A rollout that runs longer than `unitDays`
 * counts a unit again that it counted before. Any number of controllers may do so at once.
 */
export class Retention {
  constructor(
    private readonly pool: Pool,
    private readonly unitDays: number,
  ) {}

  /** `now` is in epoch milliseconds. */
  async forget(now: number): Promise<Forgotten> {
    let [units, others, days] = [0, 0, 0];
    for (const [table, column] of OF_UNITS) units += await this.drop(table, column, now - this.unitDays * DAY_MS);
    others += await this.drop('batches', 'received_at', now - BATCH_DAYS * DAY_MS);
    for (const each of BY_DAY) {
      days += await keepDays(this.pool, each, now);
      others += await this.drop(`${each.table}_rest`, 'minute', now - each.days * DAY_MS);
    }
    others += await this.drop('sources', 'seen_at', now - SOURCE_DAYS * DAY_MS);
    others += await this.drop('observed', 'minute', now - TRAFFIC_DAYS * DAY_MS);
    return { units, others, days };
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
