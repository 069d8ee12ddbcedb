import type { EventStore } from '#libs/kernel';
import { ProblemError } from './problem.js';

/** Throws the problem that answers a question about a position that the log has not reached. */
export const refuseBeyondHead = async (
  store: Pick<EventStore, 'head'>,
  position: number,
  pointer: string,
): Promise<void> => {
  const head = await store.head();
  if (position <= head) return;
  throw new ProblemError(
    'invalid-request',
    `Position ${position} is not in the log, which ends at ${head}: it may come from another database.`,
    [{ pointer, detail: `at most ${head}` }],
  );
};

/** Epoch milliseconds of a time that has come; throws a problem for one that lies in the future. */
export const pastTime = (text: string, now: number, pointer: string): number => {
  const time = Date.parse(text);
  if (time <= now) return time;
  throw new ProblemError('invalid-request', 'The time lies in the future: nobody knows what is live then.', [
    { pointer, detail: 'in the future' },
  ]);
};
