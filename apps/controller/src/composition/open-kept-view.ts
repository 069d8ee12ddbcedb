import { ViewKeeper, type Log } from '#libs/application';
import type { EventStore } from '#libs/kernel';
import type { Pool } from 'pg';
import { foldOfBuild } from './fold-of-build.js';
import { instrumentPool, type Instruments } from './instruments.js';
import { PostgresViewSnapshots } from './view-snapshots.js';

type Setting = Pick<Instruments, 'reached' | 'keepsView'> & {
  /** What may be lost with the server's last moments goes by this. */
  readonly pool: Pool;
  readonly store: Pick<EventStore, 'readPositions'>;
  readonly log: Log;
  readonly report: (message: string) => (error: unknown) => void;
};

/** The folded view, kept so that a start reads it and the rest of the log. */
export const openKeptView = ({ pool, store, log, report, reached, keepsView }: Setting): ViewKeeper =>
  new ViewKeeper(
    new PostgresViewSnapshots(instrumentPool(pool, 'view', reached), store, keepsView?.fold ?? foldOfBuild()),
    {
      log,
      report: report('The folded view cannot be kept; trying again in some minutes.'),
      now: () => performance.now(),
      ...keepsView,
    },
  );
