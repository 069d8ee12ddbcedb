import type { Retention } from '#libs/signals';

/** Time between two rounds; the first comes soon, for controllers that never run for long. */
const EVERY_MS = 600_000;
const FIRST_MS = 30_000;

/** Drops what is not kept, again and again until it is stopped; a round that fails is reported and the next one comes. */
export const startForgetting = (
  retention: Retention,
  now: () => number,
  report: (error: unknown) => void,
): { readonly stop: () => Promise<void> } => {
  let round: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout;
  let isStopped = false;
  const plan = (ms: number): void => {
    timer = setTimeout(() => {
      round = retention
        .forget(now())
        .catch(report)
        .finally(() => {
          if (!isStopped) plan(EVERY_MS);
        });
    }, ms);
    timer.unref();
  };
  plan(FIRST_MS);
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await round;
    },
  };
};
