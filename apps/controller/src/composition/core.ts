import { uuidv7 } from './ids.js';
import type { Pool } from 'pg';
import { Clock, Ids } from '#libs/kernel';
import { eventCodec } from '#libs/domain';
import {
  CommandRunner,
  CONDUCT,
  conductor as conductorProcess,
  Conductor,
  DELIVER,
  Deliverer,
  Evaluator,
  LiveView,
  TaskLoop,
  type Log,
} from '#libs/application';
import {
  PostgresDoorbell,
  PostgresEventStore,
  PostgresProcessStore,
  PostgresTaskQueue,
  runProcessManager,
  subscribe,
  type ReaderHealth,
} from '#libs/event-store';
import { PostgresRulesetFeed, PullDriver, startSyncServer } from '#libs/platforms';
import { createKysely, createPool, migrate } from '#libs/postgres';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore } from '#libs/signals';
import type { ControllerConfig } from '../config.js';
import { FleetExposures } from './exposures.js';
import { hastenLooks } from './hasten.js';
import { PostgresProgressBoard } from './progress-board.js';
import { rolloutSummary } from './rollout-summary.js';
import { SharedObservations } from './shared-observations.js';
import { TokenChecker } from './token-checker.js';

class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}

class UuidIds extends Ids {
  next(): string {
    return uuidv7();
  }
}

/** A pool for what may be lost with the server's last moments: leases, which run out anyway, and notes for readers. */
const createUnhurriedPool = (databaseUrl: string): Pool => {
  const pool = createPool(databaseUrl, { max: 8 });
  // A connection on which this fails commits as carefully as any other, or fails the query behind it, which says so.
  pool.on('connect', (client) => void client.query('set synchronous_commit = off').catch(() => undefined));
  return pool;
};

export type Core = Awaited<ReturnType<typeof startCore>>;

/** The log and what reads it: database, store, tasks, the folded view. */
const openLog = async (databaseUrl: string, log: Log) => {
  const pool = createPool(databaseUrl, { max: 16 });
  await migrate(pool);
  const doorbell = new PostgresDoorbell({
    url: databaseUrl,
    onError: (error) => log.error('The database doorbell is broken; polling meanwhile.', { error: String(error) }),
  });
  doorbell.start();
  const store = new PostgresEventStore({ pool, codec: eventCodec, doorbell, inline: [rolloutSummary] });
  const unhurried = createUnhurriedPool(databaseUrl);
  const queue = new PostgresTaskQueue({ pool: unhurried, doorbell });
  const view = new LiveView();
  const onStopped = (error: Error): void =>
    log.error('A reader of the log has stopped; this controller is not ready any more.', { error: error.message });
  const follower = subscribe({ store, name: 'live-view', after: 0, handle: (event) => view.apply(event), onStopped });
  await follower.caughtUp();
  const processes = runProcessManager({
    manager: conductorProcess,
    processes: new PostgresProcessStore({ pool, store, tasks: queue }),
    store: { onCommit: (ring) => ringForTasks(view, ring) },
    onStopped,
  });
  const stop = async (): Promise<void> => {
    await processes.stop();
    await follower.stop();
    await doorbell.stop();
    await store.close();
    await unhurried.end();
    await pool.end();
  };
  const readers = (): readonly ReaderHealth[] => [follower.health(), processes.health()];
  return { pool, unhurried, store, queue, view, readers, stop };
};

/** Most events lead to no task: the process manager is not woken for those, and passes them with the next or a poll. */
const ringForTasks = (view: LiveView, ring: (position: number) => void): (() => void) => {
  view.onEvent((event) => {
    if (conductorProcess.react(event).length > 0) ring(event.position);
  });
  return () => undefined;
};

/** Both ways to the fleets: rulesets out, acknowledgements and outcomes in. */
const openFleets = async (config: ControllerConfig, pool: Pool, view: LiveView, clock: Clock, log: Log) => {
  const feed = await PostgresRulesetFeed.start({
    pool,
    onError: (error: unknown) => log.error('Rulesets cannot be followed; trying again.', { error: String(error) }),
  });
  const delivery = new PullDriver({ database: pool, clock, feed, leaseMs: config.instanceLeaseMs });
  const bell = new EvidenceBell();
  const evidence = new PostgresEvidenceStore(pool, bell);
  const intake = new GroupCommitIntake(pool, new FleetExposures(view), bell);
  return { feed, delivery, evidence, intake };
};

/** Everything of a controller but its HTTP side, joined and running. The one place that names adapters. */
export const startCore = async (config: ControllerConfig, databaseUrl: string, log: Log) => {
  const clock = new SystemClock();
  const { pool, unhurried, store, queue, view, readers, stop: closeLog } = await openLog(databaseUrl, log);
  const { feed, delivery, evidence, intake } = await openFleets(config, pool, view, clock, log);
  const runner = new CommandRunner(store, clock, new UuidIds());
  view.onEvent((event) => runner.notice(event));
  const tokens = new TokenChecker(view, clock);
  const board = new PostgresProgressBoard(createKysely(unhurried));
  const observed = new SharedObservations(delivery);
  const conductor = new Conductor(runner, view, new Evaluator(evidence), { evidence, delivery: observed, board });
  const deliverer = new Deliverer(runner, view, delivery);
  const handlers = { [DELIVER]: deliverer.run.bind(deliverer), [CONDUCT]: conductor.run.bind(conductor) };
  const loop = new TaskLoop(queue, handlers, () => clock.now(), log);
  if (config.role !== 'api') loop.start();
  const letLooksBe = hastenLooks({ queue, view, evidence, feed, log });
  const authenticate = (token: string): boolean => tokens.allows(token, 'service');
  const sync =
    config.role === 'worker'
      ? undefined
      : await startSyncServer({ host: config.host, port: config.syncPort, feed, authenticate });
  const stop = async (): Promise<void> => {
    await sync?.close(1_000);
    await intake.close();
    letLooksBe();
    await loop.stop();
    await feed.close();
    await closeLog();
  };
  return {
    pool,
    store,
    view,
    runner,
    tokens,
    feed,
    delivery,
    evidence,
    intake,
    board,
    conductor,
    sync,
    readers,
    clock,
    log,
    stop,
  };
};
