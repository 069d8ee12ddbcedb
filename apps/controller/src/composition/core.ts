import { uuidv7 } from './ids.js';
import type { Pool } from 'pg';
import { Clock, Ids, type EventStore } from '#libs/kernel';
import { eventCodec } from '#libs/domain';
import {
  Auditor,
  CommandRunner,
  conductor as conductorProcess,
  Conductor,
  Deliverer,
  Evaluator,
  type LiveView,
  SnapshotKeeper,
  type Log,
} from '#libs/application';
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
import { PostgresRulesetFeed, PullDriver, startSyncServer, streamKeyOf } from '#libs/platforms';
import { checkGrants, createKysely, createPool, mayAlterLog, migrate } from '#libs/postgres';
import {
  EvidenceBell,
  GroupCommitIntake,
  OtlpReceiver,
  PostgresComparisonIntake,
  PostgresCountedIntake,
  PostgresEvidenceStore,
  PostgresFoldSnapshots,
  PostgresSourceStates,
} from '#libs/signals';
import { LiveSourceBoard, startAsking } from './asked-sources.js';
import type { ControllerConfig } from '../config.js';
import { archiveOf } from './archive.js';
import { DatabaseWatch } from './database-watch.js';
import { FleetExposures } from './exposures.js';
import { hastenLooks } from './hasten.js';
import { openHooks } from './hooks.js';
import { knowGeneration } from './known-generation.js';
import { appendStep, instrument, instrumentPool, taskStep, tasksStep, type Instruments } from './instruments.js';
import { openKeptView } from './open-kept-view.js';
import { openPast } from './open-past.js';
import { PostgresProgressBoard } from './progress-board.js';
import { loopsOf } from './loops.js';
import { openSealing } from './sealing.js';
import { startRounds } from './rounds.js';
import { SharedObservations } from './shared-observations.js';
import { TargetDrivers } from './target-drivers.js';
import { FleetSignalSources } from './signal-sources.js';
import { StartError } from './start-error.js';
import { TokenChecker } from './token-checker.js';
import { PostgresUndelivered } from './undelivered.js';

class SystemClock extends Clock {
  readonly #offsetMs: number;

  constructor(offsetMs: number) {
    super();
    this.#offsetMs = offsetMs;
  }

  now(): number {
    return Date.now() + this.#offsetMs;
  }
}

class UuidIds extends Ids {
  next(): string {
    return uuidv7();
  }
}

/**
 * A database that is silent is away: whoever waits for it is told after this. Connections outlast a pause in the load: a
 * new one costs both sides some 10 ms, and its first statements are planned anew.
 */
const PATIENCE = { connectTimeoutMs: 10_000, queryTimeoutMs: 10_000, idleMs: 300_000 };

/** With many events each controller reads some of them at a time, unless somebody waits for one. */
const FOLLOW_PACE_MS = 10;

export const BROUGHT_UP_TO_DATE = 'The schema of the database was brought up to date.';

/** Gives the number of the newest migration. */
const migrated = async (databaseUrl: string, log: Log): Promise<number> => {
  // A migration may take its time.
  const pool = createPool(databaseUrl, { max: 2, connectTimeoutMs: PATIENCE.connectTimeoutMs });
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
  return createPool(url.toString(), { max: 8, ...PATIENCE });
};

export type Core = Awaited<ReturnType<typeof startCore>>;

const openQueue = (options: PostgresTaskQueueOptions, reached: Instruments['reached']): PostgresTaskQueue =>
  instrument(new PostgresTaskQueue(options), reached, {
    claim: 'task:claim',
    complete: taskStep('task:complete'),
    reschedule: taskStep('task:reschedule'),
    hasten: 'task:hasten',
    addOn: tasksStep('react:inside'),
  });

/** The log and what reads it: database, store, tasks, the folded view. */
const openLog = async (
  { databaseUrl, archive }: { readonly databaseUrl: string; readonly archive: Archive },
  clock: Clock,
  log: Log,
  { reached, keepsView, ...ofPast }: Instruments,
) => {
  const schema = await migrated(databaseUrl, log);
  const pool = createPool(databaseUrl, { max: 16, ...PATIENCE });
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
  const past = await openPast({ ...followed, ...ofPast, databaseUrl, patience: PATIENCE, log, reached, report });
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

type FleetSetting = {
  readonly clock: Clock;
  readonly reached: Instruments['reached'];
  readonly report: (message: string) => (error: unknown) => void;
};

/** Both ways to the fleets: rulesets out, acknowledgements and outcomes in. */
const openFleets = async (
  config: ControllerConfig,
  { pool, view, store }: { readonly pool: Pool; readonly view: LiveView; readonly store: EventStore },
  { clock, reached, report }: FleetSetting,
) => {
  const streamKey = await streamKeyOf(pool);
  const feed = await PostgresRulesetFeed.start({
    pool,
    onError: report('Rulesets cannot be followed; trying again.'),
  });
  const pull = instrument(new PullDriver({ database: pool, clock, feed, leaseMs: config.instanceLeaseMs }), reached, {
    acknowledge: 'acknowledge',
  });
  const delivery = instrument(new TargetDrivers(view, pull, { clock, environment: process.env }), reached, {
    apply: 'deliver:apply',
    observe: 'deliver:observe',
    read: 'deliver:read',
  });
  const bell = new EvidenceBell();
  const evidence = instrument(
    new PostgresEvidenceStore(instrumentPool(pool, 'evidence', reached), bell, 'server'),
    reached,
    {
      takeLook: 'look:fold',
      advanceBake: 'look:bake',
    },
  );
  const exposures = new FleetExposures(view);
  const intake = new GroupCommitIntake(instrumentPool(pool, 'intake', reached), exposures, bell);
  const comparisons = new PostgresComparisonIntake(instrumentPool(pool, 'intake', reached), exposures, bell);
  const counted = new PostgresCountedIntake(instrumentPool(pool, 'counted', reached), exposures, bell);
  const otlp = new OtlpReceiver({
    sources: new FleetSignalSources(view),
    exposures,
    counted,
    outcomes: intake,
    knowGeneration: (generation) => knowGeneration(generation, view, store),
  });
  return { feed, streamKey, pull, delivery, evidence, intake, comparisons, counted, otlp };
};

const startSync = async (
  { role, host, syncPort }: ControllerConfig,
  feed: PostgresRulesetFeed,
  tokens: TokenChecker,
  giveUp: () => Promise<void>,
) => {
  if (role === 'worker') return undefined;
  const authenticate = (token: string): boolean => tokens.allows(token, 'service');
  return startSyncServer({ host, port: syncPort, feed, authenticate }).catch(async (cause: unknown) => {
    await giveUp();
    throw new StartError(cause instanceof Error ? cause.message : String(cause), { cause });
  });
};

const keepSnapshots = (pool: Pool, report: FleetSetting['report'], reached: Instruments['reached']): SnapshotKeeper =>
  new SnapshotKeeper(new PostgresFoldSnapshots(instrumentPool(pool, 'snapshots', reached)), {
    onError: report('Folded evidence cannot be kept: after a start, looks are folded from the first on.'),
  });

type Opened = Awaited<ReturnType<typeof openLog>>;
type Fleets = Awaited<ReturnType<typeof openFleets>>;
type Sealed = Opened & { readonly databaseUrl: string; readonly clock: Clock; readonly log: Log } & Pick<
    Instruments,
    'reached'
  >;

/** A key that cannot be used ends what was opened. */
const sealLog = (config: ControllerConfig, { stop, ...opened }: Sealed, { intake, feed }: Fleets) =>
  openSealing(config, opened).catch(async (error: unknown) => {
    await intake.close();
    await feed.close();
    await stop();
    throw error;
  });

/** Everything of a controller but its HTTP side, joined and running. The one place that names adapters. */
export const startCore = async (
  config: ControllerConfig,
  databaseUrl: string,
  log: Log,
  instruments: Instruments = {},
) => {
  const { reached } = instruments;
  const clock = new SystemClock(instruments.clockOffsetMs ?? 0);
  const opened = await openLog({ databaseUrl, archive: archiveOf(config) }, clock, log, instruments);
  const { pool, unhurried, store, queue, view, past, readers, database, report, stop: closeLog } = opened;
  const fleets = await openFleets(config, opened, { clock, reached, report }).catch(async (error: unknown) => {
    await closeLog();
    throw error;
  });
  const { feed, delivery, evidence, intake, counted } = fleets;
  const sealing = await sealLog(config, { ...opened, databaseUrl, clock, log, reached }, fleets);
  const runner = new CommandRunner(store, clock, new UuidIds());
  view.onEvent((event) => runner.notice(event));
  const tokens = new TokenChecker(view, clock);
  const board = new PostgresProgressBoard(createKysely(unhurried));
  const undelivered = new PostgresUndelivered(createKysely(pool));
  const keeper = keepSnapshots(unhurried, report, reached);
  const evaluator = new Evaluator(evidence, (...which) => view.fleet.onTrial(...which), keeper);
  const seen = { evidence, delivery: new SharedObservations(delivery), board };
  const conductor = new Conductor(runner, view, evaluator, seen);
  const workers = {
    conductor,
    deliverer: new Deliverer(runner, view, delivery, { undelivered, log }),
    auditor: new Auditor(runner, view, delivery, () => store.head()),
  };
  const loop = loopsOf(workers, { queue, view, clock, log, reached });
  // What it would decide rests on an old view: the tasks are for other controllers.
  view.onFailure(() => void loop.stop());
  const letLooksBe = hastenLooks({ queue, view, evidence, feed, log });
  const hooks = openHooks(config, { pool, store, view, queue, runner, clock, log });
  hooks.start();
  const asking = config.role === 'api' ? undefined : startAsking({ queue, view, intake: counted, clock, log });
  const stopWork = async (): Promise<void> => {
    await asking?.stop();
    await hooks.stop();
    await Promise.all([intake.close(), counted.close()]);
    letLooksBe();
    await loop.stop();
    await sealing.stop();
    await keeper.close();
    await feed.close();
    await closeLog();
  };
  const sync = await startSync(config, feed, tokens, stopWork);
  if (config.role !== 'api') loop.start();
  sealing.start();
  const rounds = startRounds(config, { pool: unhurried, view, store, report }, () => clock.now());
  const stop = async (): Promise<void> => {
    await rounds.stop();
    await sync?.close(1_000);
    await stopWork();
  };
  return {
    pool,
    store,
    tree: sealing.tree,
    packs: sealing.packs,
    view,
    past,
    rounds,
    runner,
    tokens,
    ...fleets,
    sources: new LiveSourceBoard(view, new PostgresSourceStates(unhurried), clock),
    hooks: hooks.board,
    board,
    undelivered,
    conductor,
    sync,
    readers,
    database,
    clock,
    log,
    stop,
  };
};
