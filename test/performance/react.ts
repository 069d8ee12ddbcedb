import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startController, type ControllerProcess } from '../../apps/simulator/src/demo/controller-process.js';
import { apiOf, eventsOf, waitForTraffic, waitUntilOver, type Api, type Event } from './controller-api.js';
import { discard, temporaryFolder } from './data-folder.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { quantile, round, summarise } from './harness.js';
import { configManifest, PLAN, PLATFORMS, settingManifests } from './manifests.js';
import type { FleetOrder, FleetReport } from './react-fleet.js';

const CONFIGS = Array.from({ length: 10 }, (_, n) => `config-${n}`);
const INSTANCES_PER_PLATFORM = 100;
/** Processes that share the instances: reading a ruleset keeps a core busy, and the machine has more than one. */
const FLEETS = 2;
/** Of each instance: all of them share the machine with the controller, and serving is not what is measured. */
const REQUESTS_PER_SECOND = 2;
/** Enough first bad answers, all of the candidate, to cross the bound whatever was seen before. */
const BAD = 60;
type Fleet = { readonly ask: (order: FleetOrder) => Promise<FleetReport>; readonly stop: () => Promise<void> };

const forkFleet = (): Fleet => {
  const child: ChildProcess = fork(fileURLToPath(new URL('./react-fleet.js', import.meta.url)));
  const ask = (order: FleetOrder): Promise<FleetReport> =>
    new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`The fleet ended with status ${code}.`));
      child.once('exit', ended);
      child.once('message', (report: FleetReport) => {
        child.removeListener('exit', ended);
        resolve(report);
      });
      child.send(order);
    });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  };
  return { ask, stop };
};

/** A new revision of every config, each in a rollout that exposes half of all three platforms. */
const startRollouts = async (api: Api, revision: number): Promise<ReadonlyMap<string, string>> => {
  const manifests = CONFIGS.map((name) => configManifest(name, revision));
  await api.call('POST', '/v1/manifests', { manifests, reason: 'bench' });
  const rollouts = new Map<string, string>();
  for (const config of CONFIGS) {
    const { id } = await api.call('POST', '/v1/rollouts', { config, plan: PLAN, reason: 'bench' });
    rollouts.set(config, String(id));
  }
  return rollouts;
};

/** In seconds since the sending: the controller's part of it, until it has decided and until every target has the control. */
type Reacted = {
  readonly seconds: number;
  readonly platforms: Readonly<Record<string, number>>;
  readonly decided: number;
  readonly delivered: number;
  readonly sendMs: number;
  readonly after: number;
};

type Change = { readonly config: string; readonly rollout: string; readonly revision: number };

const reactionTo = async (api: Api, fleets: readonly Fleet[], change: Change): Promise<Reacted> => {
  const { config, rollout, revision: candidate } = change;
  const trigger = { config, candidate, bad: BAD };
  await Promise.all(fleets.map((fleet) => fleet.ask({ do: 'expose', trigger })));
  // At a moment that nothing of the controller's is in step with.
  await sleep(300 + Math.random() * 1_000);
  const reports = await Promise.all(fleets.map((fleet, n) => fleet.ask({ do: 'trigger', trigger, send: n === 0 })));
  const reactions = reports.flatMap((report) => (report.is === 'reacted' ? [report.reaction] : []));
  const sent = reactions[0]?.sent ?? { at: Number.NaN, tookMs: Number.NaN };
  const since = (times: readonly number[]): number => (Math.max(...times) - sent.at) / 1_000;
  const events = await eventsOf(api, rollout);
  const timesOf = (type: string, fits: (event: Event) => boolean = () => true): readonly number[] =>
    events.filter((event) => event.type === type && fits(event)).map((event) => Date.parse(event.recordedAt));
  const lastOn = (platform: string): number =>
    since(reactions.map(({ platforms }) => platforms[platform] ?? Number.NaN));
  return {
    seconds: Math.max(...PLATFORMS.map(lastOn)),
    platforms: Object.fromEntries(PLATFORMS.map((platform) => [platform, lastOn(platform)])),
    decided: since(timesOf('RollbackStarted')),
    delivered: since(timesOf('ExposureChanged', ({ data }) => data['shareBp'] === 0)),
    sendMs: sent.tookMs,
    after: reactions.reduce((sum, { after }) => sum + after, 0),
  };
};

/** Rollbacks one after the other. */
const rollBackAll = async (api: Api, fleets: readonly Fleet[], revision: number): Promise<readonly Reacted[]> => {
  const rollouts = await startRollouts(api, revision);
  const reactions: Reacted[] = [];
  for (const [config, rollout] of rollouts)
    reactions.push(await reactionTo(api, fleets, { config, rollout, revision }));
  await waitUntilOver(api, rollouts);
  return reactions;
};

const react50 = async (
  context: BenchContext,
  controller: ControllerProcess,
  fleets: readonly Fleet[],
): Promise<Reacted[]> => {
  const api = apiOf(controller);
  await api.call('POST', '/v1/manifests', {
    manifests: [...settingManifests(), ...CONFIGS.map((name) => configManifest(name, 1))],
    reason: 'bench',
  });
  const { url, syncPort, adminToken: token } = controller;
  const setting = { url, syncPort, token, configs: CONFIGS };
  const instancesPerPlatform = INSTANCES_PER_PLATFORM / FLEETS;
  const share = { ...setting, instancesPerPlatform, requestsPerSecond: REQUESTS_PER_SECOND };
  await Promise.all(fleets.map((fleet, n) => fleet.ask({ do: 'start', setting: { ...share, name: `fleet-${n}` } })));
  await waitForTraffic(api, { config: String(CONFIGS[0]), plan: PLAN }, PLATFORMS);
  const reactions: Reacted[] = [];
  for (let turn = 0; turn < (context.quick ? 1 : 5); turn += 1)
    reactions.push(...(await rollBackAll(api, fleets, turn + 2)));
  await Promise.all(fleets.map((fleet) => fleet.ask({ do: 'stop' })));
  return reactions;
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const folder = temporaryFolder('react');
  const dataDir = join(folder, 'controller');
  const main = fileURLToPath(new URL('../../apps/controller/src/main.js', import.meta.url));
  const controller = await startController(main, dataDir);
  const fleets = Array.from({ length: FLEETS }, forkFleet);
  try {
    return report(context, await react50(context, controller, fleets));
  } finally {
    await Promise.all(fleets.map((fleet) => fleet.stop()));
    await controller.stop();
    discard(folder, dataDir);
  }
};

const report = (context: BenchContext, reactions: readonly Reacted[]): Figures => {
  const seconds = reactions.map((reaction) => reaction.seconds);
  const after = reactions.map((reaction) => reaction.after);
  const p99 = quantile(seconds, 0.99);
  const instances = INSTANCES_PER_PLATFORM * PLATFORMS.length;
  context.say(
    `  ${reactions.length} rollbacks, ${instances} instances with ${REQUESTS_PER_SECOND} requests/s each over ${CONFIGS.length} configs`,
  );
  context.say(
    `  from the sending of ${BAD} bad answers until the last instance is on control: median ${round(quantile(seconds, 0.5))} s, p99 ${round(p99)} s`,
  );
  for (const platform of PLATFORMS) {
    const own = reactions.flatMap(({ platforms }) => platforms[platform] ?? []);
    context.say(`    ${platform.padEnd(8)} median ${round(quantile(own, 0.5))} s, p99 ${round(quantile(own, 0.99))} s`);
  }
  const middle = quantile(after, 0.5);
  const [decided, delivered] = [
    reactions.map((reaction) => reaction.decided),
    reactions.map((reaction) => reaction.delivered),
  ];
  context.say(
    `  of it the controller's part: decided after median ${round(quantile(decided, 0.5))} s, p99 ${round(quantile(decided, 0.99))} s; delivered after median ${round(quantile(delivered, 0.5))} s, p99 ${round(quantile(delivered, 0.99))} s; then ${instances} clients in ${FLEETS} processes read it`,
  );
  context.say(
    `  of it the batch's own round trip: median ${round(
      quantile(
        reactions.map(({ sendMs }) => sendMs),
        0.5,
      ),
    )} ms; requests served on the candidate meanwhile: median ${middle}, most ${Math.max(...after)}`,
  );
  return {
    p99: round(p99),
    after: middle,
    afterMost: Math.max(...after),
    afterTotal: after.reduce((sum, each) => sum + each, 0),
    requestsPerSecond: instances * REQUESTS_PER_SECOND,
    seconds: summarise(seconds),
    decided: summarise(decided),
    delivered: summarise(delivered),
    rollbacks: reactions.length,
  };
};

export const react: Bench = {
  measures:
    'from the sending of the bad answers that make the evidence of a rate signal sufficient until each of 300 instances on 3 platforms (official in-process clients in other processes, windows of 1 s) evaluates to the control',
  quick: '10 rollbacks instead of 50',
  musts: [{ key: 'p99', atMost: 3 }],
  run: measure,
};
