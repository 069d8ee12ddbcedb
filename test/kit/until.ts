import { setTimeout as sleep } from 'node:timers/promises';

type Waiting = { readonly timeoutMs?: number; readonly everyMs?: number };

/**
 * Asks until the answer is neither undefined nor false, and gives it. Throws with `what` and the last answer or error after
 * a time that even a machine with much else to do does not need: it says only how long a spec that fails takes to do so.
 */
export const until = async <T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs = 60_000, everyMs = 20 }: Waiting = {},
): Promise<T> => {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`Waited ${timeoutMs} ms in vain: ${what} (last: ${String(last)})`);
    await sleep(everyMs);
  }
};
