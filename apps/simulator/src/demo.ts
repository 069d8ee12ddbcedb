import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { HeadgateClient } from '../../cli/src/client.js';
import { follow } from '../../cli/src/follow.js';
import { hang } from '../../cli/src/wrap.js';
import { Narrator, readManifests, startChange } from './demo/change.js';
import { startController, type ControllerProcess } from './demo/controller-process.js';
import { lookAround } from './demo/look-around.js';
import { BAD, GOOD, MANIFESTS, PLAN, projectRoot, type Act } from './demo/setting.js';
import { planText } from './demo/plan-text.js';
import { indentOf } from './demo/story.js';
import { BEDROCK, ENVIRONMENT, startStores, VERTEX, type DemoStores } from './demo/stores.js';
import { summarise, type Finished } from './demo/summary.js';
import { harmAfterwards, judge } from './demo/verdict.js';
import { loadScenario, startSimulator, type Simulator } from './simulator.js';

const HELP = `Usage: npm run demo [-- --exit] [-- --drivers] [-- --data-dir DIR]

Starts a controller and fleets of three platforms, takes one good change through all stages, has two bad ones caught and
taken back, and stays up until Ctrl-C.

  --exit          end when all is over: status 0 if everything came out as expected, else 1
  --drivers       Bedrock reads from AWS AppConfig and Vertex AI from Google's Parameter Manager, both emulated on this
                  machine; they throttle and lose answers on the way
  --data-dir DIR  where the controller keeps its data; emptied first, refused while one runs there (default .headgate/demo)
`;

// The plan's prediction is about the traffic it has seen: give it some.
const TRAFFIC_MS = 4_000;
const FIRST_TRAFFIC_MS = 20_000;
// Stages of this plan take seconds: after so long without an event something is stuck.
const SILENT_MS = 90_000;

const WIDTH = process.stdout.columns ?? 120;

/** Commands to copy are never broken. */
const print = (text: string): void => void process.stdout.write(`${text}\n`);

/** A line of the story: what is too long goes on under its text. */
const printLine = (text: string): void => print(process.stdout.isTTY ? hang(text, WIDTH, indentOf(text)) : text);

type Stage = {
  readonly root: string;
  readonly controller: ControllerProcess;
  readonly client: HeadgateClient;
  readonly simulator: Simulator;
  readonly narrator: Narrator;
  readonly stores: DemoStores | undefined;
};

const enoughTraffic = async (client: HeadgateClient, simulator: Simulator): Promise<void> => {
  const deadline = Date.now() + FIRST_TRAFFIC_MS;
  while (Date.now() < deadline) {
    const [{ seconds: up, batches }, targets] = [simulator.stats(), await client.targets()];
    const known = targets.every(({ instances }) => instances.length > 0);
    if (known && batches.sent > 0 && up * 1_000 >= TRAFFIC_MS) return;
    await sleep(200);
  }
  const problem = simulator.stats().batches.lastProblem;
  throw new Error(
    `The fleets' outcomes do not arrive at the controller: ${problem ?? 'no instance has acknowledged a ruleset'}.`,
  );
};

const perform = async ({ root, client, narrator }: Stage, act: Act): Promise<Finished> => {
  print(`\n${act.title}`);
  const { config, reason } = act;
  const file = join(root, 'apps/simulator/demo', act.file);
  const { rollout, preview } = await startChange(client, narrator, { file, config, plan: PLAN, reason });
  if (act.expectation.kind === 'settles') for (const text of planText(preview)) printLine(`         ${text}`);
  const events = await narrator.ended(rollout, act.patienceMs);
  const judgement = judge(events, act.expectation);
  const predictedMs = act.expectation.kind === 'settles' ? preview.totalMs : undefined;
  return { change: act.title, rollout, events, judgement, predictedMs, fault: act.fault };
};

/** What must run everywhere at the end: the good change, and of the bad ones nothing. */
const LIVE: Readonly<Record<string, number>> = {
  [GOOD.config]: 2,
  ...Object.fromEntries(BAD.map(({ config }) => [config, 1])),
};

const leftovers = async (client: HeadgateClient): Promise<string[]> => {
  const targets = await client.targets();
  return targets.flatMap(({ target, live }) =>
    live.flatMap(({ config, control, candidate, shareBp }) => {
      const mixed = candidate !== null && shareBp > 0 && shareBp < 10_000;
      const runs = candidate !== null && shareBp > 0 ? candidate : control;
      return mixed || runs !== LIVE[config]
        ? [`${target} runs r${runs} of ${config}, expected was r${LIVE[config]}`]
        : [];
    }),
  );
};

const build = async (
  root: string,
  controller: ControllerProcess,
  stores: DemoStores | undefined,
  begunAt: number,
): Promise<Stage> => {
  const client = new HeadgateClient({ url: controller.url, token: controller.adminToken });
  const folder = join(root, 'apps/simulator/demo');
  const manifests = (await Promise.all(MANIFESTS.map((name) => readManifests(join(folder, name))))).flat();
  await client.apply({ manifests: stores?.withDrivers(manifests) ?? manifests, reason: 'the demo begins' });
  const { secret } = await client.createToken({ subject: 'fleets', role: 'service' });
  const scenario = await loadScenario(join(folder, 'scenario.yaml'));
  const { url, syncPort, dataDir } = controller;
  const simulator = await startSimulator({
    scenario,
    url,
    syncPort,
    token: secret,
    dataDir: join(dataDir, 'fleets'),
    log: printLine,
    ...(stores === undefined ? {} : { readerOf: stores.readerOf }),
  });
  return { root, controller, client, simulator, narrator: new Narrator(begunAt, printLine), stores };
};

const elapsed = (begunAt: number): string => `${((Date.now() - begunAt) / 1_000).toFixed(1).padStart(6)}s `;

const stuck = (): Promise<never> => new Promise<never>(() => undefined);

const play = async (stage: Stage, ending: AbortSignal): Promise<readonly Finished[]> => {
  const { client, narrator, simulator } = stage;
  const stop = new AbortController();
  ending.addEventListener('abort', () => stop.abort(), { once: true });
  const onNotice = (notice: { readonly kind: string }): void => {
    if (!ending.aborted) print(`         event stream: ${notice.kind}`);
  };
  const told = (async () => {
    for await (const event of follow(client, {}, { after: 0, signal: stop.signal, onNotice })) narrator.take(event);
  })();
  const silence = narrator.silence(SILENT_MS);
  try {
    await enoughTraffic(client, simulator);
    const { requestsPerSecond, instances } = simulator.stats();
    print(
      `${elapsed(narrator.begunAt)} ${instances} instances serve ${Math.round(requestsPerSecond).toLocaleString('en-US')} requests/s`,
    );
    await stage.stores?.play();
    const finished: Finished[] = [];
    for (const act of [GOOD, ...BAD]) {
      finished.push(
        await Promise.race([
          perform(stage, act),
          told.then(() =>
            ending.aborted ? stuck() : Promise.reject(new Error('The event stream ended before the demo did.')),
          ),
          silence.broken,
        ]),
      );
    }
    return finished;
  } finally {
    silence.stop();
    stop.abort();
    await told;
  }
};

/** What came of the stores' faults: told, and what is wrong where they did harm or never came. */
const storesAfterwards = async (stores: DemoStores, finished: readonly Finished[]): Promise<readonly string[]> => {
  const failed = (target: string): number =>
    finished
      .flatMap(({ events }) => events)
      .filter(({ type, data }) => type === 'ExposureFailed' && data.target === target).length;
  const disorder = await stores.disorder();
  const spared = [BEDROCK, VERTEX].filter((target) => failed(target) === 0);
  print(
    `\nDeliveries that failed: ${failed(BEDROCK)} to AppConfig, ${failed(VERTEX)} to Parameter Manager (throttled, or the answer was lost).`,
  );
  if (disorder.length === 0)
    print('All were tried again; each generation is there once and in order, and no fleet served anything else.');
  return [...disorder, ...spared.map((target) => `${target}: no delivery failed, though the script says so`)];
};

const finale = (stage: Stage, finished: readonly Finished[], left: readonly string[], exit: boolean): void => {
  const { simulator, narrator, controller } = stage;
  print(`\n${summarise(finished, simulator.groundTruth(), Date.now() - narrator.begunAt, WIDTH)}`);
  for (const problem of left) printLine(problem);
  const [good, bad] = finished;
  if (!good || !bad || exit) return;
  const detected = bad.events.find(({ type }) => type === 'DegradationDetected') ?? bad.events.at(-1);
  const tokenFile = relative(process.cwd(), join(controller.dataDir, 'admin.token'));
  const badAt = new Date(detected?.at ?? Date.now()).toISOString();
  const place = { url: controller.url, tokenFile, target: 'api-us-tpu', badAt };
  print(
    `\n${lookAround({ ...place, good: { rollout: good.rollout, config: GOOD.config }, bad: { rollout: bad.rollout, config: BAD[0]?.config ?? '' } })}`,
  );
};

const interrupted = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });

/** Rejects when the controller ends, so that nothing waits for it for ever. */
const unlessLost = async <T>(controller: ControllerProcess, what: Promise<T>): Promise<T> =>
  Promise.race([what, controller.lost.then((why) => Promise.reject(new Error(why)))]);

type Options = { readonly dataDir: string; readonly exit: boolean; readonly drivers: boolean };

const run = async ({ dataDir, exit, drivers }: Options, stopped: Promise<void>): Promise<boolean> => {
  const begunAt = Date.now();
  const root = projectRoot();
  printLine(
    'Headgate demo: fleets of three platforms, one good change, two bad ones. Nothing is scripted in the controller.',
  );
  const main = join(root, 'dist/apps/controller/src/main.js');
  // For the controller and for the fleets: both use the vendors' own clients.
  if (drivers) Object.assign(process.env, ENVIRONMENT);
  const controller = await startController(main, dataDir);
  let stores: DemoStores | undefined;
  let simulator: Simulator | undefined;
  const ending = new AbortController();
  void stopped.then(() => ending.abort());
  try {
    printLine(
      `${elapsed(begunAt)} controller and PostgreSQL are up at ${controller.url}, console ${controller.url}/ui/ (log: ${relative(process.cwd(), controller.logFile)})`,
    );
    if (drivers) {
      stores = await startStores(root, join(dataDir, 'emulator.log'));
      printLine(`${elapsed(begunAt)} AppConfig and Parameter Manager are emulated at ${stores.url}`);
    }
    const stage = await unlessLost(controller, build(root, controller, stores, begunAt));
    simulator = stage.simulator;
    const finished = await unlessLost(controller, Promise.race([play(stage, ending.signal), stopped]));
    if (!finished) return false;
    const truth = simulator.groundTruth();
    const harm = finished.flatMap(({ events, fault }) =>
      fault === undefined ? [] : harmAfterwards(events, fault, truth),
    );
    const trouble = stores === undefined ? [] : await storesAfterwards(stores, finished);
    const left = [...(await leftovers(stage.client)), ...harm, ...trouble];
    finale(stage, finished, left, exit);
    if (!exit) await unlessLost(controller, stopped);
    return left.length === 0 && finished.every(({ judgement }) => judgement.ok);
  } finally {
    ending.abort();
    await simulator?.stop();
    await controller.stop();
    stores?.stop();
  }
};

const main = async (): Promise<void> => {
  const options = {
    exit: { type: 'boolean' },
    drivers: { type: 'boolean' },
    'data-dir': { type: 'string' },
    help: { type: 'boolean' },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help === true) {
    print(HELP);
    return;
  }
  const dataDir = values['data-dir'] ?? join(projectRoot(), '.headgate/demo');
  const ok = await run({ dataDir, exit: values.exit === true, drivers: values.drivers === true }, interrupted());
  process.exitCode = ok ? 0 : 1;
};

await main().catch((error: unknown) => {
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${process.stderr.isTTY ? hang(text, WIDTH, 2) : text}\n`);
  process.exitCode = 1;
});
// The flagd provider goes on trying to connect after it was closed, which would keep the process alive.
process.exit();
