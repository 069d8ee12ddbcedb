import type { EventStore, RecordedEvent } from '#libs/kernel';
import { UnknownEventError } from '#libs/kernel';

/** Events that can be read, and what stops the reader behind them. */
export type Page = { readonly events: readonly RecordedEvent[]; readonly unknown?: UnknownEventError };

type Read = EventStore['readAll'];

/** Reads a page; where an event is unknown, what lies before it is still delivered. */
export const readPage = async (read: Read, after: number, limit: number): Promise<Page> => {
  try {
    return { events: await read({ after, limit }) };
  } catch (error) {
    if (!(error instanceof UnknownEventError)) throw error;
    const before = error.position - after - 1;
    return { events: before > 0 ? await read({ after, limit: before }) : [], unknown: error };
  }
};
