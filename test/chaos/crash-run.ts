import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { faultsOfLog } from '#test/kit/log';
import { until } from '#test/kit/until';
import { readEvidenceOf, violationsOf } from './history-checker.js';
import { crossings } from './points.js';
import { outcomeOf, playScript } from './script.js';
import { Supervised, type Reached } from './supervised.js';

export type Database = { readonly url: string; readonly pool: Pool; readonly drop: () => Promise<void> };

export type CrashRun = {
  /** What the rollouts came to, without what differs from run to run. */
  readonly outcome: unknown;
  /** What must not be in its history. */
  readonly faults: readonly string[];
  /** Points at which the controller was killed, or stood still. */
  readonly met: readonly string[];
};

/** What `asked` answers, `hit` is killed or stands still; they may be the same. */
const play = async (asked: Reached, hit: Supervised, { pool }: Database): Promise<CrashRun> => {
  try {
    const { good, bad, events, sightings, fleet } = await playScript(asked, pool);
    const { tasks, counted } = await readEvidenceOf(pool);
    const history = { events, tasks, sightings: sightings.all, accepted: [good, bad] };
    const faults = [
      ...(await faultsOfLog(pool)),
      ...violationsOf({ ...history, outcomes: { told: fleet.counted, counted } }),
      ...fleet.rejected.map((rejected) => `outcomes refused: ${JSON.stringify(rejected)}`),
    ];
    return { outcome: [outcomeOf(events, good), outcomeOf(events, bad)], faults, met: hit.met };
  } catch (error) {
    const log = hit.log.split('\n').slice(-20).join('\n');
    throw new Error(`${String(error)}; met ${hit.met.join(', ')}; the end of its log:\n${log}`, { cause: error });
  }
};

/** Plays the script on a database of its own while the controller dies at these points. */
export const crashAt = async (
  database: Database,
  points: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CrashRun> => {
  const controller = new Supervised({ databaseUrl: database.url, env, killAt: points }).start();
  try {
    return await play(controller, controller, database);
  } finally {
    await controller.stop();
    await database.drop();
  }
};

/** Longer than anybody waits for one that says nothing, by a little. */
const STANDS_STILL_MS = 9_000;

/** Now the one, now the other, as behind a balancer that notices nothing of one that stands still. */
const eitherOf = (first: Supervised, second: Supervised): Reached => {
  let next = 0;
  const door: Reached['door'] = (token) => {
    const up = [first, second].filter(({ card }) => card !== undefined);
    return (up[(next += 1) % up.length] ?? first).door(token);
  };
  return { door, adminToken: () => first.adminToken() };
};

/** Plays it with two controllers, one of which stands still for a while at each of these points it comes by. */
export const freezeAt = async (database: Database, points: readonly string[]): Promise<CrashRun> => {
  const steady = new Supervised({ databaseUrl: database.url }).start();
  const frozen = new Supervised({ databaseUrl: database.url, env: { CHAOS_FREEZE_AT: points.join('\n') } });
  let isOver = false;
  const goOnLater = async (): Promise<void> => {
    for (let times = 0; !isOver; await sleep(20)) {
      if (frozen.met.length === times) continue;
      times += 1;
      await sleep(STANDS_STILL_MS);
      frozen.goOn();
    }
  };
  try {
    // The first one up has the token of the admin.
    await until('one is up', () => steady.card, { timeoutMs: 60_000 });
    frozen.start();
    const waking = goOnLater();
    await until('the other one is up', () => frozen.card ?? frozen.met.length > 0, { timeoutMs: 60_000 });
    const run = await play(eitherOf(steady, frozen), frozen, database);
    isOver = true;
    await waking;
    return run;
  } finally {
    isOver = true;
    await Promise.all([steady, frozen].map((controller) => controller.stop()));
    await database.drop();
  }
};

/** The same without a death, and which points it came by. */
export const crashNowhere = async (database: Database): Promise<CrashRun & { readonly points: readonly string[] }> => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-trace-'));
  try {
    const trace = join(folder, 'trace');
    const run = await crashAt(database, [], { CHAOS_TRACE: trace });
    return { ...run, points: crossings(readFileSync(trace, 'utf8').trim().split('\n')) };
  } finally {
    rmSync(folder, { recursive: true });
  }
};
