/** Time between two rounds; the first comes soon, for controllers that never run for long. */
const EVERY_MS = 600_000;
const FIRST_MS = 30_000;

/** One kind of what is not kept, and who is told when a round of it failed. */
export type Forgotten = {
  readonly forget: (now: number) => Promise<unknown>;
  readonly report: (error: unknown) => void;
};

/**
 * Drops what is not kept, one kind after the other, again and again until it is stopped; a round that fails is reported,
 * keeps nothing else from being dropped, and the next one comes.
 */
export const startForgetting = (
  kinds: readonly Forgotten[],
  now: () => number,
  { everyMs, firstMs }: { readonly everyMs: number; readonly firstMs: number } = {
    everyMs: EVERY_MS,
    firstMs: FIRST_MS,
  },
): { readonly stop: () => Promise<void> } => {
  const all = async (): Promise<void> => {
    for (const { forget, report } of kinds) if (!isStopped) await forget(now()).catch(report);
  };
  let round: Promise<unknown> = Promise.resolve();
  let timer: NodeJS.Timeout;
  let isStopped = false;
  const plan = (ms: number): void => {
    timer = setTimeout(() => {
      round = all().finally(() => {
        if (!isStopped) plan(everyMs);
      });
    }, ms);
    timer.unref();
  };
  plan(firstMs);
  return {
    stop: async () => {
      isStopped = true;
      clearTimeout(timer);
      await round;
    },
  };
};
