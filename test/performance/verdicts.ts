import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, summarise, takeTurns } from './harness.js';
import { SIGNALS, SLICES, startRollouts } from './verdicts-setting.js';
import type { Order, Report, Standing } from './verdicts-worker.js';

const SMALL = 30;
const LARGE = 300;
/** Bad answers in each slice between two evaluations of the dense side: one of each rate signal. */
const DENSE = SIGNALS - 2;

type Size = {
  readonly rounds: number;
  readonly dense: number;
  readonly history: number;
  readonly kills: number;
  /** Cells folded before a fold is written down again; default: as a controller does. */
  readonly writeAfter?: number;
};
const FULL: Size = { rounds: 15, dense: 5, history: 60, kills: 5 };
/** Of a tenth of the history snapshots are written ten times as often, so that there are some to go on from. */
const QUICK: Size = { rounds: 3, dense: 0, history: 6, kills: 1, writeAfter: 100 };

type Controller = {
  readonly ask: <K extends Report['is']>(order: Order, answer: K) => Promise<Extract<Report, { is: K }>>;
  readonly kill9: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

/** A controller process of its own; with `begun` it says when it was spawned. */
const startController = async (url: string, { writeAfter }: Size): Promise<Controller> => {
  const more = writeAfter === undefined ? [] : [String(writeAfter)];
  const child = fork(fileURLToPath(new URL('./verdicts-worker.js', import.meta.url)), [url, ...more]);
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const next = <K extends Report['is']>(answer: K): Promise<Extract<Report, { is: K }>> =>
    new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`The process ended with status ${code}.`));
      child.once('exit', ended);
      child.once('message', (report: Report) => {
        child.removeListener('exit', ended);
        if (report.is === answer) resolve(report as Extract<Report, { is: K }>);
        else reject(new Error(`The process answered ${report.is} and not ${answer}.`));
      });
    });
  await next('ready');
  return {
    ask: (order, answer) => {
      const report = next(answer);
      child.send(order);
      return report;
    },
    kill9: () => {
      child.kill('SIGKILL');
      return gone;
    },
    stop: () => {
      if (child.connected) child.send({ do: 'stop' } satisfies Order);
      return gone;
    },
  };
};

const forget = <T>(promise: Promise<T>): void => void promise.catch(() => undefined);

/** Outcomes of one second come in, then everything is evaluated once; milliseconds of the evaluation. */
class Side {
  readonly cpuMs: number[] = [];
  #standings: ReadonlyMap<string, Standing> = new Map();
  #seed: number;

  constructor(
    public controller: Controller,
    readonly rollouts: number,
    seed: number,
  ) {
    this.#seed = seed;
  }

  async tick(badPerSlice: number): Promise<number> {
    await this.report(badPerSlice);
    const { ms, cpuMs, standings } = await this.controller.ask({ do: 'evaluate' }, 'evaluated');
    const moved = standings.filter(({ rollout, digest }) => digest !== (this.#standings.get(rollout)?.digest ?? ''));
    if (moved.length !== this.rollouts)
      throw new Error(`Only ${moved.length} of ${this.rollouts} rollouts took what had arrived for them.`);
    this.#standings = new Map(standings.map((standing) => [standing.rollout, standing]));
    this.cpuMs.push(cpuMs);
    return ms;
  }

  async report(badPerSlice: number): Promise<void> {
    this.#seed += 1;
    await this.controller.ask({ do: 'report', seed: this.#seed, rollouts: this.rollouts, badPerSlice }, 'reported');
  }
}

type Recovered = { readonly seconds: number; readonly readyAfter: number; readonly standings: readonly Standing[] };

/** A controller that is spawned now, until it has judged every rollout. */
const recover = async (url: string, size: Size): Promise<Recovered & { readonly controller: Controller }> => {
  const begun = performance.now();
  const controller = await startController(url, size);
  const readyAfter = (performance.now() - begun) / 1_000;
  const { standings } = await controller.ask({ do: 'evaluate' }, 'evaluated');
  return { seconds: (performance.now() - begun) / 1_000, readyAfter, standings, controller };
};

const keyOf = ({ digest, logE, verdicts }: Standing): string => JSON.stringify([digest, logE, verdicts]);

/** Rollouts of which two processes do not think the same. */
const differing = (some: readonly Standing[], others: readonly Standing[]): number => {
  const known = new Map(some.map((standing) => [standing.rollout, keyOf(standing)]));
  return others.filter((standing) => known.get(standing.rollout) !== keyOf(standing)).length;
};

/**
 * Kills the process that holds everything in the middle of an evaluation, and starts another one. Then once more while
 * nothing arrives: what the third thinks must be what the second thought, folded from the same looks.
 */
const killAndRecover = async (url: string, side: Side, size: Size, wait: number) => {
  await side.report(1);
  forget(side.controller.ask({ do: 'evaluate' }, 'evaluated'));
  await new Promise((resolve) => setTimeout(resolve, wait));
  await side.controller.kill9();
  const second = await recover(url, size);
  await second.controller.kill9();
  const third = await recover(url, size);
  side.controller = third.controller;
  return { runs: [second, third], differing: differing(second.standings, third.standings) };
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const size = context.quick ? QUICK : FULL;
  const urls = { small: await context.database('verdicts_small'), large: await context.database('verdicts_large') };
  await startRollouts(urls.small, SMALL);
  await startRollouts(urls.large, LARGE);
  const small = new Side(await startController(urls.small, size), SMALL, context.seed);
  const large = new Side(await startController(urls.large, size), LARGE, context.seed);
  try {
    for (const side of [small, large]) await side.tick(1);
    const { ticksOfSmall, ticksOfLarge } = await takeTurns(size.rounds, {
      ticksOfSmall: () => small.tick(1),
      ticksOfLarge: () => large.tick(1),
    });
    const cpuMs = large.cpuMs.slice(-size.rounds);
    const dense: number[] = [];
    for (let n = 0; n < size.dense; n += 1) dense.push(await large.tick(DENSE));
    while (large.cpuMs.length < size.history) await large.tick(1);
    const kills = [];
    for (let n = 0; n < size.kills; n += 1)
      kills.push(await killAndRecover(urls.large, large, size, (n * (ticksOfLarge[0] ?? 0)) / size.kills));
    return report(context, { ticksOfSmall, ticksOfLarge, cpuMs, dense, looks: large.cpuMs.length, kills });
  } finally {
    await small.controller.stop();
    await large.controller.stop();
  }
};

type Measured = {
  readonly ticksOfSmall: readonly number[];
  readonly ticksOfLarge: readonly number[];
  readonly cpuMs: readonly number[];
  readonly dense: readonly number[];
  readonly looks: number;
  readonly kills: readonly Awaited<ReturnType<typeof killAndRecover>>[];
};

const report = (context: BenchContext, measured: Measured): Figures => {
  const { ticksOfSmall, ticksOfLarge, cpuMs, dense, looks, kills } = measured;
  const [tick, few] = [ticksOfLarge, ticksOfSmall].map((rounds) => summarise(rounds));
  const all = dense.length > 0 ? summarise(dense) : undefined;
  const growth = ratioOf(ticksOfLarge, ticksOfSmall);
  const recovery = summarise(kills.flatMap(({ runs }) => runs.map(({ seconds }) => seconds)));
  const ready = summarise(kills.flatMap(({ runs }) => runs.map(({ readyAfter }) => readyAfter)));
  const different = kills.reduce((sum, kill) => sum + kill.differing, 0);
  const one = `${LARGE} rollouts x ${SIGNALS} signals x ${SLICES} slices`;
  context.say(
    `  ${one}, a bad answer in each slice: ${tick?.median} ms (spread ${tick?.spread}), ${summarise(cpuMs).median} ms of it this process's CPU`,
  );
  context.say(
    `  ${SMALL} rollouts: ${few?.median} ms (spread ${few?.spread}); growth ${growth.median} (spread ${growth.spread})`,
  );
  if (all) context.say(`  a bad answer of each rate signal in each slice: ${all.median} ms (spread ${all.spread})`);
  context.say(
    `  killed, and all judged again after ${recovery.median} s (spread ${recovery.spread}), of it ${ready.median} s until the process was ready; ${looks} looks each; ${different} rollouts stood differently`,
  );
  return {
    tickMs: tick?.median,
    growth: growth.median,
    recovery: recovery.median,
    denseMs: all?.median,
    cpuMs: summarise(cpuMs),
    looks,
    different,
    ticks: { small: few, large: tick, dense: all },
    growths: growth,
    recoveries: recovery,
    readyAfter: ready,
  };
};

/**
 * One evaluation is what a controller does each second when outcomes come from everywhere: it takes what arrived for
 * every rollout, folds it in, and judges every signal in every track. Between two evaluations each slice of each rollout
 * reports requests on both arms and a bad answer: 12,000 slices, as many as the intake has to take in a second.
 */
export const verdicts: Bench = {
  measures: `one evaluation of ${LARGE} rollouts x ${SIGNALS} signals x ${SLICES} slices by the code that decides, on PostgreSQL, with outcomes in every slice since the last one; the same of ${SMALL}; and a new process after kill -9 until it has judged all of them`,
  quick: `${QUICK.rounds} rounds instead of ${FULL.rounds}, none of them dense, ${QUICK.kills} kill instead of ${FULL.kills}, after ${QUICK.history} looks instead of ${FULL.history}, with a snapshot for each ${QUICK.writeAfter} cells`,
  musts: [
    { key: 'tickMs', atMost: 1_000 },
    { key: 'growth', atMost: 11 },
    { key: 'recovery', atMost: 10 },
    { key: 'different', atMost: 0 },
  ],
  run: measure,
};
