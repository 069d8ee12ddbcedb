import { uuidv7 } from './ids.js';
import type { Pool } from 'pg';
import { Clock, Ids, type EventStore } from '#libs/kernel';
import {
  Auditor,
  CommandRunner,
  Conductor,
  Deliverer,
  Evaluator,
  type LiveView,
  SnapshotKeeper,
  type Log,
} from '#libs/application';
import { PostgresRulesetFeed, PullDriver, startSyncServer, streamKeyOf } from '#libs/platforms';
import { createKysely } from '#libs/postgres';
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
import { FleetExposures } from './exposures.js';
import { hastenLooks } from './hasten.js';
import { openHooks } from './hooks.js';
import { knowGeneration } from './known-generation.js';
import { instrument, instrumentPool, type Instruments } from './instruments.js';
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
import { openLog } from './open-log.js';

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

export type Core = Awaited<ReturnType<typeof startCore>>;

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

/** Everything of a controller but its HTTP side, joined and running. This folder is the one place that names adapters. */
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
