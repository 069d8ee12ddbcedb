import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import { makeLog } from '../../apps/controller/src/composition/log.js';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startController } from '../../apps/controller/src/controller.js';

/** Environment of this entry: at which points to end at once, with which one to stand still, where to note that, where to note all, how wrong its clock is, by which fold it keeps the past. */
const KILL_AT = 'CHAOS_KILL_AT';
const FREEZE_AT = 'CHAOS_FREEZE_AT';
const KILLED = 'CHAOS_KILLED';
const TRACE = 'CHAOS_TRACE';
const CLOCK_MS = 'CHAOS_CLOCK_MS';
const PAST_FOLD = 'CHAOS_PAST_FOLD';

/**
 * Ends the process at the first of the wanted `point#n` that it comes by: the n-th time at this point in its life. It
 * stands still, until it is told to go on, at the first point that begins as the one to freeze at.
 */
const watcher = (env: NodeJS.ProcessEnv): ((point: string) => void) => {
  const wanted = new Set((env[KILL_AT] ?? '').split('\n'));
  const passed = new Map<string, number>();
  let freezeAt = env[FREEZE_AT];
  return (point) => {
    const nth = (passed.get(point) ?? 0) + 1;
    passed.set(point, nth);
    const crossing = `${point}#${nth}`;
    if (env[TRACE] !== undefined) appendFileSync(env[TRACE], `${point}\n`);
    if (freezeAt !== undefined && point.startsWith(freezeAt)) {
      freezeAt = undefined;
      process.kill(process.pid, 'SIGSTOP');
    }
    if (!wanted.has(crossing)) return;
    if (env[KILLED] !== undefined) appendFileSync(env[KILLED], `${crossing}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
};

/** The controller as users start it, but for what the environment above puts into it. */
const main = async (): Promise<void> => {
  const config = loadConfig(process.env);
  const controller = await startController(config, makeLog(config.log), {
    reached: watcher(process.env),
    clockOffsetMs: Number(process.env[CLOCK_MS] ?? 0),
    // So often that it dies while it keeps the view, too, and starts from what it kept.
    keepsView: { every: 20, restMs: 0 },
    ...(process.env[PAST_FOLD] === undefined ? {} : { pastFold: Number(process.env[PAST_FOLD]) }),
  });
  process.once('SIGTERM', () => {
    controller.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
