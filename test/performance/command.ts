import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import {
  ApplyManifestsCommand,
  ApplyManifestsHandler,
  automation,
  StartRolloutCommand,
  StartRolloutHandler,
} from '#libs/application';
import { Manifest } from '#libs/contracts';
import { createPool } from '#libs/postgres';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startCore } from '../../apps/controller/src/composition/core.js';
import { makeLog } from '../../apps/controller/src/composition/log.js';
import type { Order, Report, Side } from './command-worker.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { quantile, ratioOf, round, summarise } from './harness.js';
import { configManifest, PLAN, settingManifests } from './manifests.js';

const ROLLOUTS = 128;
const PER_SECOND = 200;
/** Over all controllers. */
const CALLERS = 128;
const ROUNDS = 5;

type Size = { readonly slices: number; readonly sliceSeconds: number; readonly rushSeconds: number };
const FULL: Size = { slices: 5, sliceSeconds: 2, rushSeconds: 4 };
const QUICK: Size = { slices: 2, sliceSeconds: 0.5, rushSeconds: 0.5 };

/** Rollouts as people start them, each of a config of its own, in their first stage. */
const startRollouts = async (url: string): Promise<readonly string[]> => {
  const config = loadConfig({ HEADGATE_ROLE: 'api', HEADGATE_SYNC_PORT: '0', HEADGATE_LOG: 'quiet' });
  const core = await startCore(config, url, makeLog('quiet'));
  const names = Array.from({ length: ROLLOUTS }, (_, n) => `config-${n}`);
  const apply = async (raw: readonly ReturnType<typeof configManifest>[]): Promise<void> => {
    const manifests = raw.map((each) => ({ raw: each, parsed: Manifest.parse(each) }));
    const command = new ApplyManifestsCommand(manifests, false, automation(randomUUID()));
    const outcome = await new ApplyManifestsHandler(core.runner).execute(command);
    if (!outcome.accepted) throw new Error(outcome.rejection.message);
    await core.view.caughtUpWith(outcome.lastPosition);
  };
  await apply(settingManifests());
  for (const n of [1, 2]) await apply(names.map((name) => configManifest(name, n)));
  const handler = new StartRolloutHandler(core.runner, core.view);
  const start = async (config: string): Promise<string> => {
    const outcome = await handler.execute(new StartRolloutCommand({ config, plan: PLAN }, automation(randomUUID())));
    if (!outcome.accepted) throw new Error(outcome.rejection.message);
    return String(outcome.outcome['rollout']);
  };
  const rollouts = await Promise.all(names.map(start));
  await core.stop();
  return rollouts;
};

type Controller = { readonly ask: (order: Order) => Promise<Report>; readonly stop: () => Promise<void> };

const nextReport = (child: ChildProcess): Promise<Report> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`A controller process ended with status ${code}.`));
    child.once('exit', ended);
    child.once('message', (report: Report) => {
      child.removeListener('exit', ended);
      resolve(report);
    });
  });

const startController = async (url: string): Promise<Controller> => {
  const child = fork(fileURLToPath(new URL('./command-worker.js', import.meta.url)), [url]);
  await nextReport(child);
  const ask = (order: Order): Promise<Report> => {
    const report = nextReport(child);
    child.send(order);
    return report;
  };
  const stop = async (): Promise<void> => {
    if (!child.connected) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.send({ do: 'stop' } satisfies Order);
    await gone;
  };
  return { ask, stop };
};

type Fleet = {
  readonly controllers: number;
  /** All processes do it at once, each with its part of the rollouts; the parts go round each time. */
  readonly all: (order: (rollouts: readonly string[]) => Order) => Promise<readonly Report[]>;
  readonly stop: () => Promise<void>;
};

const startFleet = async (url: string, rollouts: readonly string[], count: number): Promise<Fleet> => {
  const controllers: Controller[] = [];
  for (let n = 0; n < count; n += 1) controllers.push(await startController(url));
  const parts = controllers.map((_, part) => rollouts.filter((_rollout, n) => n % count === part));
  const all: Fleet['all'] = (order) => {
    parts.push(...parts.splice(0, 1));
    return Promise.all(controllers.map((controller, n) => controller.ask(order(parts[n] ?? []))));
  };
  const stop = async (): Promise<void> => {
    for (const controller of controllers) await controller.stop();
  };
  return { controllers: count, all, stop };
};

const latencies = (reports: readonly Report[]): readonly number[] =>
  reports.flatMap((report) => (report.is === 'done' ? report.latenciesMs : []));

const SIDES: readonly Side[] = ['command', 'bare'];

/** Short slices of both sides in turn, so that a busy moment of the machine meets both; milliseconds of each call. */
const paced = async (fleet: Fleet, size: Size): Promise<Record<Side, number[]>> => {
  const measured: Record<Side, number[]> = { command: [], bare: [] };
  for (let slice = 0; slice < size.slices; slice += 1) {
    for (const side of slice % 2 === 0 ? SIDES : SIDES.toReversed()) {
      const [perSecond, seconds] = [PER_SECOND / fleet.controllers, size.sliceSeconds];
      const reports = await fleet.all((rollouts) => ({ do: 'pace', side, rollouts, perSecond, seconds }));
      measured[side].push(...latencies(reports));
    }
  }
  return measured;
};

const rushed = async (fleet: Fleet, side: Side, size: Size): Promise<{ count: number; perSecond: number }> => {
  const seconds = size.rushSeconds;
  const callers = Math.floor(CALLERS / fleet.controllers);
  const reports = await fleet.all((rollouts) => ({ do: 'rush', side, rollouts, callers, seconds }));
  const perSecond = reports.map((report) => (report.is === 'done' ? report.latenciesMs.length / report.seconds : 0));
  return { count: latencies(reports).length, perSecond: perSecond.reduce((sum, each) => sum + each, 0) };
};

/** What the log holds in the end has to be what was acknowledged: one event and one record of each command. */
const check = async (url: string, acknowledged: number): Promise<void> => {
  const pool = createPool(url, { max: 1 });
  const { rows } = await pool.query<{ written: number; recorded: number }>(`
    select (select count(*) from event_store.log where type in ('RolloutHeld', 'RolloutResumed')) as written,
           (select count(*) from event_store.commands where starts_with(id, 'bench/')) as recorded`);
  await pool.end();
  const [found] = rows;
  if (found?.written !== acknowledged)
    throw new Error(`${acknowledged} commands were acknowledged, and the log holds ${found?.written} of their events.`);
  if (found.recorded !== acknowledged)
    throw new Error(`${acknowledged} commands were acknowledged, and ${found.recorded} of them are recorded.`);
};

type Measured = Record<'p99' | 'p50' | 'rate', Record<Side, number[]>> & { acknowledged: number };

const noneOf = (): Record<Side, number[]> => ({ command: [], bare: [] });

const measureWith = async (fleet: Fleet, size: Size): Promise<Measured> => {
  const measured: Measured = { p99: noneOf(), p50: noneOf(), rate: noneOf(), acknowledged: 0 };
  measured.acknowledged += (await paced(fleet, QUICK)).command.length;
  for (let n = 0; n < ROUNDS; n += 1) {
    const calls = await paced(fleet, size);
    measured.acknowledged += calls.command.length;
    for (const side of SIDES) {
      measured.p99[side].push(quantile(calls[side], 0.99));
      measured.p50[side].push(quantile(calls[side], 0.5));
    }
  }
  for (let n = 0; n < ROUNDS; n += 1) {
    for (const side of SIDES) {
      const { count, perSecond } = await rushed(fleet, side, size);
      measured.rate[side].push(perSecond);
      if (side === 'command') measured.acknowledged += count;
    }
  }
  return measured;
};

/** As many controllers as are asked for, one number after the other, on one database. */
const measure = async (context: BenchContext): Promise<Figures> => {
  const size = context.quick ? QUICK : FULL;
  const url = await context.database('bench_command');
  const pool = createPool(url, { max: 1 });
  await pool.query('create table bare (id uuid primary key, body text not null)');
  await pool.end();
  const rollouts = await startRollouts(url);
  const measured = new Map<number, Measured>();
  for (const controllers of [2, 3]) {
    const fleet = await startFleet(url, rollouts, controllers);
    try {
      measured.set(controllers, await measureWith(fleet, size));
    } finally {
      await fleet.stop();
    }
  }
  const acknowledged = [...measured.values()].reduce((sum, each) => sum + each.acknowledged, 0);
  await check(url, acknowledged);
  context.say(`  ${acknowledged} commands were acknowledged; each has its event in the log and its record.`);
  const [two, three] = [...measured].map(([controllers, each]) => report(context, controllers, each));
  const { ratio: threeRatio, sustained: threeSustained, ...threeControllers } = three ?? {};
  return { ...two, threeRatio, threeSustained, acknowledged, threeControllers };
};

const report = (context: BenchContext, controllers: number, { p99, p50, rate }: Measured): Figures => {
  const ratio = ratioOf(p99.command, p99.bare);
  const middle = ratioOf(p50.command, p50.bare);
  const name: Record<Side, string> = { command: 'one command', bare: 'one bare row' };
  for (const side of SIDES) {
    const [slow, usual, most] = [p99, p50, rate].map((each) => summarise(each[side]));
    context.say(
      `  ${controllers} controllers, ${name[side].padEnd(12)} at ${PER_SECOND}/s: p99 ${slow?.median} ms (spread ${slow?.spread}), median ${usual?.median} ms; with ${CALLERS} callers: ${most?.median}/s (spread ${most?.spread})`,
    );
  }
  return {
    ratio: ratio.median,
    sustained: round(summarise(rate.command).median),
    ratioSpread: ratio.spread,
    medianRatio: middle.median,
    p99Ms: { command: summarise(p99.command), bare: summarise(p99.bare) },
    medianMs: { command: summarise(p50.command), bare: summarise(p50.bare) },
    perSecond: { command: summarise(rate.command), bare: summarise(rate.bare) },
  };
};

export const command: Bench = {
  measures:
    'pausing and resuming a rollout (decide, then append one event and the record of the command; no read model is written with them, as views are folded in memory from the log, and no task follows from these events) by two controller processes, and then by three, whose readers follow the log, against one row inserted in one prepared autocommit transaction by the same processes into the same durable server',
  quick: '1 s a side at 200/s in each round instead of 10, and half a second at most speed instead of 4',
  musts: [
    { key: 'ratio', atMost: 3 },
    { key: 'sustained', atLeast: 1_000 },
    { key: 'threeRatio', atMost: 3 },
    { key: 'threeSustained', atLeast: 1_000 },
  ],
  run: measure,
};
