import { uuidv7 } from './ids.js';
import { Clock, Ids, type ClaimedTask } from '#libs/kernel';
import { eventCodec } from '#libs/domain';
import {
  CommandRunner,
  conductor as conductorProcess,
  Conductor,
  conductTaskId,
  Deliverer,
  Evaluator,
  LiveView,
  TaskLoop,
  type Disposition,
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
import { PostgresRulesetFeed, PullDriver, startSyncServer, type SyncServer } from '#libs/platforms';
import { createKysely, createPool, migrate } from '#libs/postgres';
import { EvidenceBell, GroupCommitIntake, PostgresEvidenceStore } from '#libs/signals';
import type { ControllerConfig } from '../config.js';
import { FleetExposures } from './exposures.js';
import { PostgresProgressBoard } from './progress-board.js';
import { rolloutSummary } from './rollout-summary.js';
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

/** Evidence arrives all the time; one rollout is looked at no more often than this because of it. */
const HASTEN_EVERY_MS = 100;

export type Core = Awaited<ReturnType<typeof startCore>>;

/** Everything of a controller but its HTTP side, joined and running. The one place that names adapters. */
export const startCore = async (config: ControllerConfig, databaseUrl: string, log: Log) => {
  const pool = createPool(databaseUrl, { max: 16 });
  await migrate(pool);
  const doorbell = new PostgresDoorbell({
    url: databaseUrl,
    onError: (error) => log.error('The database doorbell is broken.', { error: String(error) }),
  });
  doorbell.start();
  const store = new PostgresEventStore({ pool, codec: eventCodec, doorbell, inline: [rolloutSummary] });
  const queue = new PostgresTaskQueue({ pool, doorbell });
  const clock = new SystemClock();
  const runner = new CommandRunner(store, clock, new UuidIds());
  const view = new LiveView();
  const stopped = (error: Error): void =>
    log.error('A reader of the log has stopped; this controller is not ready any more.', { error: error.message });
  const follower = subscribe({
    store,
    name: 'live-view',
    after: 0,
    handle: (event) => view.apply(event),
    onStopped: stopped,
  });
  await follower.caughtUp();
  const tokens = new TokenChecker(view, clock);
  const feed = await PostgresRulesetFeed.start({
    pool,
    onError: (error: unknown) => log.error('Rulesets cannot be followed; trying again.', { error: String(error) }),
  });
  const delivery = new PullDriver({ database: pool, clock, feed, leaseMs: config.instanceLeaseMs });
  const bell = new EvidenceBell();
  const evidence = new PostgresEvidenceStore(pool, bell);
  const intake = new GroupCommitIntake(pool, new FleetExposures(view), bell);
  const board = new PostgresProgressBoard(createKysely(pool));
  const evaluator = new Evaluator(evidence);
  const conductor = new Conductor(runner, view, evaluator, { evidence, delivery, board });
  const deliverer = new Deliverer(runner, view, delivery);
  const works = config.role !== 'api';
  const serves = config.role !== 'worker';
  const processes = runProcessManager({
    manager: conductorProcess,
    processes: new PostgresProcessStore({ pool, store, tasks: queue }),
    store,
    onStopped: stopped,
  });
  const handlers: Record<string, (task: ClaimedTask) => Promise<Disposition>> = {
    deliver: (task) => deliverer.run(task),
    conduct: (task) => conductor.run(task),
  };
  const loop = new TaskLoop(queue, handlers, () => clock.now(), log);
  if (works) loop.start();
  const hasten = hastener(queue, log);
  evidence.onEvidence(hasten);
  const sync: SyncServer | undefined = serves
    ? await startSyncServer({
        host: config.host,
        port: config.syncPort,
        feed,
        authenticate: (token) => tokens.allows(token, 'service'),
      })
    : undefined;
  const readers = (): readonly ReaderHealth[] => [follower.health(), processes.health()];
  const stop = async (): Promise<void> => {
    await sync?.close(1_000);
    await intake.close();
    await loop.stop();
    await processes.stop();
    await follower.stop();
    await feed.close();
    await doorbell.stop();
    await store.close();
    await pool.end();
  };
  return {
    pool,
    store,
    queue,
    runner,
    view,
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

/** Brings the next look at a rollout forward when evidence of it arrives, at most every 100 ms. */
const hastener = (queue: PostgresTaskQueue, log: Log): ((rollouts: readonly string[]) => void) => {
  const waiting = new Set<string>();
  return (rollouts) => {
    for (const rollout of rollouts) {
      if (waiting.has(rollout)) continue;
      waiting.add(rollout);
      setTimeout(() => {
        waiting.delete(rollout);
        queue
          .hasten(conductTaskId(rollout))
          .catch((error: unknown) =>
            log.error('A look could not be brought forward.', { rollout, error: String(error) }),
          );
      }, HASTEN_EVERY_MS).unref();
    }
  };
};
