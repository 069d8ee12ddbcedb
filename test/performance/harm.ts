import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { renderRuleset } from '#libs/domain';
import { PullDriver } from '#libs/platforms';
import { createPool } from '#libs/postgres';
import { adminOf, startChild, type ChildController } from '#test/kit/child';
import { clientOf, type Door } from '#test/kit/http';
import { until } from '#test/kit/until';
import { discard, temporaryFolder } from './data-folder.js';
import { leastSeconds, MISROUTED, syntheticFaults, YEAR_2025, type Fault } from './harm-faults.js';
import type { FleetFindings, FleetOrder, FleetReport } from './harm-fleet.js';
import { harmReport, type BareTimes, type Delivery } from './harm-report.js';
import { Changes, type Run } from './harm-runs.js';
import { manifestsOf, PLACES, PLAN, PROBE, type Pace } from './harm-setting.js';
import type { Bench, BenchContext, Figures } from './harness.js';

type Size = {
  readonly pace: Pace;
  readonly synthetic: number;
  readonly harmless: number;
  readonly configs: number;
  readonly patienceMs: number;
  /** Faults of 2025 that even the limit needs longer to see are left out. */
  readonly longestSeconds: number;
  /** Synthetic faults begin no later after the start. */
  readonly latestSeconds: number;
};
const FULL: Size = {
  pace: 'careful',
  synthetic: 40,
  harmless: 100,
  configs: 12,
  patienceMs: 240_000,
  longestSeconds: Number.POSITIVE_INFINITY,
  latestSeconds: 15,
};
const QUICK: Size = {
  pace: 'quick',
  synthetic: 3,
  harmless: 5,
  configs: 10,
  patienceMs: 32_000,
  longestSeconds: 5,
  latestSeconds: 3,
};

const PROBE_EVERY_MS = 500;

type Fleets = {
  readonly tell: (order: FleetOrder) => Promise<void>;
  readonly find: () => Promise<FleetFindings>;
  readonly stop: () => Promise<void>;
};

const forkFleets = (): Fleets => {
  const child: ChildProcess = fork(fileURLToPath(new URL('./harm-fleet.js', import.meta.url)));
  let last: Promise<FleetReport> = Promise.resolve({ is: 'done' });
  const next = (order: FleetOrder): Promise<FleetReport> =>
    new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`The fleets ended with status ${code}.`));
      child.once('exit', ended);
      child.once('message', (report: FleetReport) => {
        child.removeListener('exit', ended);
        resolve(report);
      });
      child.send(order);
    });
  const ask = (order: FleetOrder): Promise<FleetReport> => (last = last.then(() => next(order)));
  return {
    tell: async (order) => void (await ask(order)),
    find: async () => {
      const report = await ask({ do: 'find' });
      if (report.is !== 'found') throw new Error('The fleets found nothing.');
      return report.findings;
    },
    stop: async () => {
      if (child.exitCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await gone;
    },
  };
};

const BARE_TIMES = 12;

/**
 * Measured before the first change, and as little as can be: what the controller needs longer while it works is its own.
 * Bare rulesets are put beside the log, where the sync server finds them, under generations above every position of it.
 */
const measureBare = async (databaseUrl: string, controllerUrl: string): Promise<BareTimes> => {
  const pool = createPool(databaseUrl, { max: 1 });
  const driver = new PullDriver({ database: pool, clock: { now: () => Date.now() } });
  const wordSeconds: number[] = [];
  const deliveries: Delivery[] = [];
  for (let n = 0; n < BARE_TIMES; n += 1) {
    const begun = performance.now();
    await (await fetch(`${controllerUrl}/healthz`)).text();
    wordSeconds.push((performance.now() - begun) / 1_000);
    const [at, generation] = [Date.now(), 1_000_000_000 + n];
    const outcome = await driver.apply(PROBE, renderRuleset({ target: PROBE, generation, configs: [] }), generation);
    if (outcome.kind !== 'applied')
      throw new Error(
        `A bare ruleset could not be delivered: ${'message' in outcome ? outcome.message : outcome.kind}`,
      );
    deliveries.push({ generation, at });
    await sleep(PROBE_EVERY_MS * (0.5 + Math.random()));
  }
  await pool.end();
  return { wordSeconds, deliveries };
};

const shuffled = <T>(items: readonly T[], seed: number): readonly T[] =>
  items
    .map((item, n) => ({ item, key: Math.imul(n + 1, 0x9e3779b1 ^ seed) >>> 0 }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ item }) => item);

/** Fleets have to be seen before a plan can say what its stages will see. */
const isServing = async (door: Door, config: string): Promise<boolean> => {
  const { traffic } = await clientOf(door).preview({ config, plan: PLAN });
  return PLACES.every(({ target, perSecond }) => (traffic.perTarget[target] ?? 0) > perSecond / 2);
};

const begin = async (
  context: BenchContext,
  controller: ChildController,
  fleets: Fleets,
  size: Size,
  folder: string,
) => {
  const configs = Array.from({ length: size.configs }, (_, n) => `config-${n}`);
  const door: Door = adminOf(controller);
  await clientOf(door).apply({ manifests: [...manifestsOf(size.pace, configs)], reason: 'the benchmark begins' });
  const { secret } = await clientOf(door).createToken({ subject: 'fleets', role: 'service' });
  const { url, syncPort } = controller;
  const setting = { seed: context.seed, configs, url, syncPort, token: secret, dataDir: join(folder, 'fleets') };
  await fleets.tell({ do: 'start', setting });
  await until('traffic is seen everywhere', () => isServing(door, configs[0] ?? ''), {
    timeoutMs: 60_000,
    everyMs: 250,
  });
  return { configs, door };
};

const runAll = async (context: BenchContext, databaseUrl: string, fleets: Fleets, folder: string) => {
  const size = context.quick ? QUICK : FULL;
  const controller = await startChild({
    databaseUrl,
    dataDir: join(folder, 'controller'),
    env: { HEADGATE_LOG: 'quiet' },
  });
  try {
    const { configs, door } = await begin(context, controller, fleets, size, folder);
    const addFault = (fault: Extract<FleetOrder, { do: 'fault' }>['fault']) => fleets.tell({ do: 'fault', fault });
    const changes = await Changes.open(door, { addFault }, size.patienceMs);
    const bare = await measureBare(databaseUrl, controller.url);
    const runs: Run[] = [];
    const misrouted = context.quick ? MISROUTED.slice(1) : MISROUTED;
    for (const fault of misrouted) await changes.runAll([fault], configs.slice(0, 1), (run) => runs.push(run));
    const harmless = Array.from({ length: size.harmless }, () => undefined);
    const year = YEAR_2025.filter((fault) => leastSeconds(fault) <= size.longestSeconds);
    const faults: readonly (Fault | undefined)[] = [
      ...year,
      ...syntheticFaults(size.synthetic, context.seed, size.latestSeconds),
    ];
    await changes.runAll(shuffled([...faults, ...harmless], context.seed), configs, (run) => {
      runs.push(run);
      if (runs.length % 10 === 0) context.say(`  ${runs.length} rollouts are over`);
    });
    const findings = await fleets.find();
    await changes.close();
    await fleets.tell({ do: 'stop' });
    return { runs, bare, findings };
  } finally {
    await controller.terminate();
  }
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const folder = temporaryFolder('harm');
  const fleets = forkFleets();
  try {
    return harmReport(context, await runAll(context, await context.database('bench_harm'), fleets, folder));
  } finally {
    await fleets.stop();
    discard(folder, join(folder, 'controller'));
  }
};

/**
 * Harm is counted by the fleets, which know of each answer whether a fault made it bad: the extra bad answers of a fault
 * are those that would have been good without it, served by instances that evaluated to the candidate, from the first
 * exposure until the last instance was back on control. A fault that is not found goes on counting until somebody ends
 * its rollout. What no method could have avoided is
 *
 * - the extra answers of as many requests as the information limit asks for (ln(1/alpha) over the least divergence; one
 *   violation for an invariant), given the exposures that the rollout really had, at their mean rate, and
 * - the extra answers of the time that word and rollback need at least: half a window, a bare request to the controller,
 *   and from a bare ruleset put where the sync server finds it until the last of 20 instances evaluates with it; the
 *   latter two are measured before the first change, so that a controller that is slow at its work makes it no smaller.
 *
 * A fault is missed (`notFound`) when it ends unfound after exposures that told three times what the limit needs on average;
 * below that the best method misses it now and then, as at 99% exposure nearly nothing is told (`tooLittleTold`).
 *
 * `ratio` is the sum of the first over the sum of the second, over all faults, with the limit at the part of alpha that
 * the signal has in a plan of nine signals (decision 5); `ratioWholeAlpha` has the limit at the whole alpha of the plan.
 * Both must hold. Answers to sessions that stick to the withdrawn revision after the rollback cannot be ended by any
 * controller: they are printed and in neither.
 *
 * Left out: paired probes (the lost top token is a rate here), harm that even the limit needs more than 15 s to see, and
 * what a violated invariant does to harmless changes on the same requests (decision 15): misrouting runs before the others.
 */
export const harm: Bench = {
  measures:
    'faults of 2025 and synthetic ones, and harmless changes beside them, rolled out over simulated fleets of three platforms by a real controller: extra bad answers served until the last instance is back on control, over those that no method avoids; and the share of harmless rollouts that settle with no human',
  quick: `${QUICK.synthetic} synthetic faults instead of ${FULL.synthetic}, ${QUICK.harmless} harmless rollouts instead of ${FULL.harmless}, one misrouting instead of two, no fault that even the limit needs more than ${QUICK.longestSeconds} s to see, none that begins later than ${QUICK.latestSeconds} s, shorter stages that ask for less proof`,
  musts: [
    { key: 'ratio', atMost: 3 },
    { key: 'ratioWholeAlpha', atMost: 3 },
    { key: 'unattended', atLeast: 0.95 },
    { key: 'lost', atMost: 0 },
    { key: 'notFound', atMost: 0 },
  ],
  run: measure,
};
