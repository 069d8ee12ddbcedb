import type { Pool } from 'pg';
import { Clock } from '#libs/kernel';
import { eventCodec } from '#libs/domain';
import { conductor as conductorProcess, type LiveView, type Log } from '#libs/application';
import {
  PostgresDoorbell,
  PostgresEventStore,
  PostgresProcessStore,
  PostgresTaskQueue,
  runProcessManager,
  subscribe,
  type Archive,
  type PostgresTaskQueueOptions,
  type ReaderHealth,
} from '#libs/event-store';
import { checkGrants, createPool, mayAlterLog, migrate } from '#libs/postgres';
import { DatabaseWatch } from './database-watch.js';
import { appendStep, instrument, taskStep, tasksStep, type Instruments } from './instruments.js';
import { openKeptView } from './open-kept-view.js';
import { openPast } from './open-past.js';

/**
 * A database that is silent for so long is away, and whoever waits for it is told. A controller that is silent in the
 * middle of a transaction may be frozen, or cut off: it gives way, so that others get at the rows that it holds.
 * Connections outlast a pause in the load: a new one costs both sides some 10 ms, and its first statements are planned anew.
 */
const CONNECTIONS = {
  connectTimeoutMs: 10_000,
  queryTimeoutMs: 10_000,
  silentTransactionMs: 4_000,
  idleMs: 300_000,
};

/** With many events each controller reads some of them at a time, unless somebody waits for one. */
const FOLLOW_PACE_MS = 10;

export const BROUGHT_UP_TO_DATE = 'The schema of the database was brought up to date.';

/** Gives the number of the newest migration. */
const migrated = async (databaseUrl: string, log: Log): Promise<number> => {
  // A migration may take its time.
  const pool = createPool(databaseUrl, { max: 2, connectTimeoutMs: CONNECTIONS.connectTimeoutMs });
  try {
    const { applied, version } = await migrate(pool);
    if (applied.length > 0) log.info(BROUGHT_UP_TO_DATE, { applied });
    await checkGrants(pool);
    if (await mayAlterLog(pool))
      log.info(
        'The role of DATABASE_URL could alter the log by SQL: let controllers use one that cannot (headgate migrate --role).',
      );
    return version;
  } finally {
    await pool.end();
  }
};

/**
 * A pool for what may be lost with the server's last moments: leases, which run out anyway, notes for readers, and
 * snapshots of what can be folded again.
 */
const createUnhurriedPool = (databaseUrl: string): Pool => {
  const url = new URL(databaseUrl);
  const own = url.searchParams.get('options');
  url.searchParams.set('options', `${own === null ? '' : `${own} `}-c synchronous_commit=off`);
  return createPool(url.toString(), { max: 8, ...CONNECTIONS });
};

const openQueue = (options: PostgresTaskQueueOptions, reached: Instruments['reached']): PostgresTaskQueue =>
  instrument(new PostgresTaskQueue(options), reached, {
    claim: 'task:claim',
    complete: taskStep('task:complete'),
    reschedule: taskStep('task:reschedule'),
    hasten: 'task:hasten',
    addOn: tasksStep('react:inside'),
  });

/** The log and what reads it: database, store, tasks, the folded view. */
export const openLog = async (
  { databaseUrl, archive }: { readonly databaseUrl: string; readonly archive: Archive },
  clock: Clock,
  log: Log,
  { reached, keepsView, ...ofPast }: Instruments,
) => {
  const schema = await migrated(databaseUrl, log);
  const pool = createPool(databaseUrl, { max: 16, ...CONNECTIONS });
  const database = new DatabaseWatch(databaseUrl, log, schema);
  /** An outage is reported once, by the watch. */
  const report =
    (message: string) =>
    (error: unknown): void => {
      if (!database.note(error)) log.error(message, { error: String(error) });
    };
  const doorbell = new PostgresDoorbell({
    url: databaseUrl,
    onError: report('The database doorbell is broken; polling meanwhile.'),
  });
  doorbell.start();
  const onError = (error: Error): void => void database.note(error);
  const store = instrument(new PostgresEventStore({ pool, codec: eventCodec, archive, doorbell, onError }), reached, {
    append: appendStep,
  });
  const unhurried = createUnhurriedPool(databaseUrl);
  const queue = openQueue({ pool: unhurried, doorbell, callersClock: clock }, reached);
  const kept = openKeptView({ pool: unhurried, store, log, report, reached, keepsView });
  const view = await kept.restore();
  const restore = (atMost: number): Promise<LiveView> => kept.restore(atMost);
  const followed = { view, restore, store, pool: unhurried };
  const past = await openPast({ ...followed, ...ofPast, databaseUrl, connections: CONNECTIONS, log, reached, report });
  const onStopped = (error: Error): void => {
    log.error('A reader of the log has stopped; this controller is not ready any more.', { error: error.message });
    view.stopped(error);
  };
  const follower = subscribe({
    store,
    name: 'live-view',
    after: view.position,
    paceMs: FOLLOW_PACE_MS,
    handle: (event) => view.apply(event),
    onRetry: report('The log cannot be read; trying again.'),
    onStopped,
  });
  view.onAwaited(() => follower.hurry());
  await follower.caughtUp().catch(async (error: unknown) => {
    await follower.stop();
    await past.stop();
    await doorbell.stop();
    await Promise.all([unhurried.end(), pool.end(), database.stop()]);
    throw error;
  });
  kept.follow(view, (position) => past.keeper.reached(position));
  past.remaker.start();
  const processes = runProcessManager({
    manager: conductorProcess,
    processes: instrument(new PostgresProcessStore({ pool, store, tasks: queue }), reached, { step: 'react' }),
    store: { onCommit: (ring) => ringForTasks(view, ring) },
    onStopped,
    onError: report('Tasks cannot be made of events; trying again.'),
  });
  // Whoever migrated it goes on from here; what this controller would write might not fit any more.
  database.onNewerSchema((error) => {
    view.stopped(error);
    void processes.stop();
  });
  database.start();
  const stop = async (): Promise<void> => {
    await processes.stop();
    await kept.close();
    await follower.stop();
    await past.stop();
    await doorbell.stop();
    await store.close();
    await database.stop();
    await unhurried.end();
    await pool.end();
  };
  const readers = (): readonly ReaderHealth[] => [follower.health(), processes.health()];
  return { pool, unhurried, store, queue, view, past, readers, database, report, stop };
};

/** Most events lead to no task: the process manager is not woken for those, and passes them with the next or a poll. */
const ringForTasks = (view: LiveView, ring: (position: number) => void): (() => void) => {
  view.onEvent((event) => {
    if (conductorProcess.react(event).length > 0) ring(event.position);
  });
  return () => undefined;
};
