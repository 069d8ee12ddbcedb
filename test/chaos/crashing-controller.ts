import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import { makeLog } from '../../apps/controller/src/composition/log.js';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startController } from '../../apps/controller/src/controller.js';

/** Environment of this entry: at which points to end at once, at which to stand still, where to note either, where to note all, how wrong its clock is, by which fold it keeps the past. */
const KILL_AT = 'CHAOS_KILL_AT';
const FREEZE_AT = 'CHAOS_FREEZE_AT';
const MET = 'CHAOS_MET';
const TRACE = 'CHAOS_TRACE';
const CLOCK_MS = 'CHAOS_CLOCK_MS';
const PAST_FOLD = 'CHAOS_PAST_FOLD';

const linesOf = (text = ''): readonly string[] => text.split('\n').filter((line) => line !== '');

/**
 * Ends the process at the first of the wanted `point#n` that it comes by: the n-th time at this point in its life. It
 * stands still, until it is told to go on, once at each point that begins as one of those to freeze at.
 */
const watcher = (env: NodeJS.ProcessEnv): ((point: string) => void) => {
  const wanted = new Set(linesOf(env[KILL_AT]));
  const freezing = new Set(linesOf(env[FREEZE_AT]));
  const passed = new Map<string, number>();
  const meets = (crossing: string): void => {
    if (env[MET] !== undefined) appendFileSync(env[MET], `${crossing}\n`);
  };
  return (point) => {
    const nth = (passed.get(point) ?? 0) + 1;
    passed.set(point, nth);
    const crossing = `${point}#${nth}`;
    if (env[TRACE] !== undefined) appendFileSync(env[TRACE], `${point}\n`);
    const frozen = [...freezing].find((beginning) => crossing.startsWith(beginning));
    if (frozen !== undefined) {
      freezing.delete(frozen);
      meets(frozen);
      process.kill(process.pid, 'SIGSTOP');
    }
    if (!wanted.has(crossing)) return;
    meets(crossing);
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
