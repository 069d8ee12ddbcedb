import type { Pool } from 'pg';
import {
  PAST_FOLD,
  PastKeeper,
  PastRemaker,
  type LiveView,
  type Log,
  type Past,
  type ViewKeeper,
} from '#libs/application';
import type { EventStore } from '#libs/kernel';
import { createPool, type PoolOptions } from '#libs/postgres';
import { instrument, instrumentPool, type Instruments } from './instruments.js';
import { PostgresPast } from './past.js';
import { PostgresPastEditions } from './past-editions.js';
import { PostgresPastWriter } from './past-writer.js';

/** The longest that one question about the past may take. */
const QUESTION_MS = 5_000;

type Setting = Pick<Instruments, 'reached' | 'pastFold' | 'remakesAgainMs'> & {
  readonly databaseUrl: string;
  /** What may be lost with the server's last moments goes by this. */
  readonly pool: Pool;
  readonly view: LiveView;
  /** What folding anew may go on from. */
  readonly restore: ViewKeeper['restore'];
  readonly store: EventStore;
  readonly connections: PoolOptions;
  readonly log: Log;
  readonly report: (message: string) => (error: unknown) => void;
};

export type OpenedPast = {
  readonly keeper: PastKeeper;
  readonly remaker: PastRemaker;
  readonly asked: Past;
  readonly stop: () => Promise<void>;
};

/** Keeps the past from the first event that `view` folds on, and answers questions about it on connections of their own. */
export const openPast = async ({
  databaseUrl,
  pool,
  view,
  restore,
  store,
  connections,
  reached,
  pastFold = PAST_FOLD,
  remakesAgainMs,
  log,
  report,
}: Setting): Promise<OpenedPast> => {
  const writer = instrument(new PostgresPastWriter(pool, pastFold), reached, { write: 'past' });
  const keeper = new PastKeeper(view, store, writer, {
    kept: await writer.position(),
    restore,
    report: report('What is kept of the past cannot be brought up to date; trying again.'),
  });
  const remaker = new PastRemaker({
    store,
    editions: new PostgresPastEditions(instrumentPool(pool, 'past-edition', reached)),
    fold: pastFold,
    againMs: remakesAgainMs,
    log,
    report: report('What is kept of the past cannot be made anew; trying again.'),
  });
  // Any question may be wide: the server ends what takes too long, and the others go on.
  const questions = createPool(databaseUrl, { max: 4, ...connections, statementTimeoutMs: QUESTION_MS });
  const stop = async (): Promise<void> => {
    await remaker.stop();
    await keeper.stop();
    await questions.end();
  };
  return { keeper, remaker, asked: new PostgresPast(questions), stop };
};
