import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { faultsOfLog } from '#test/kit/log';
import { readEvidenceOf, violationsOf } from './history-checker.js';
import { crossings } from './points.js';
import { outcomeOf, playScript } from './script.js';
import { Supervised } from './supervised.js';

export type Database = { readonly url: string; readonly pool: Pool; readonly drop: () => Promise<void> };

export type CrashRun = {
  /** What the rollouts came to, without what differs from run to run. */
  readonly outcome: unknown;
  /** What must not be in its history. */
  readonly faults: readonly string[];
  /** Points at which the controller was killed. */
  readonly killedAt: readonly string[];
};

/** Plays the script on a database of its own while the controller dies at these points. */
export const crashAt = async (
  database: Database,
  points: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CrashRun> => {
  const controller = new Supervised({ databaseUrl: database.url, env, killAt: points }).start();
  try {
    const { good, bad, events, sightings, fleet } = await playScript(controller, database.pool);
    const { tasks, counted } = await readEvidenceOf(database.pool);
    const history = { events, tasks, sightings: sightings.all, accepted: [good, bad] };
    const faults = [
      ...(await faultsOfLog(database.pool)),
      ...violationsOf({ ...history, outcomes: { told: fleet.counted, counted } }),
      ...fleet.rejected.map((rejected) => `outcomes refused: ${JSON.stringify(rejected)}`),
    ];
    return { outcome: [outcomeOf(events, good), outcomeOf(events, bad)], faults, killedAt: controller.killedAt };
  } catch (error) {
    const log = controller.log.split('\n').slice(-20).join('\n');
    throw new Error(`${String(error)}; killed at ${controller.killedAt.join(', ')}; the end of its log:\n${log}`, {
      cause: error,
    });
  } finally {
    await controller.stop();
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
