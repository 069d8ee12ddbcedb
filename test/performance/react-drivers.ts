import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { OutcomeBatch } from '#libs/contracts';
import { startController } from '../../apps/simulator/src/demo/controller-process.js';
import { ENVIRONMENT, startStores } from '../../apps/simulator/src/demo/stores.js';
import type { Evaluator } from '../../apps/simulator/src/fleet/evaluator.js';
import { apiOf, eventsOf, until, waitForTraffic, type Api } from './controller-api.js';
import { discard, temporaryFolder } from './data-folder.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { quantile, round, summarise } from './harness.js';
import { configManifest, MODEL } from './manifests.js';
import { API, manifestsOf, openReceiver, placesOf, type Place } from './react-places.js';

const CONFIG = 'router';
const PLAN = { name: 'all-at-once', signal: 'syntax-errors' };
/** Of each driver. */
const READERS = 10;
/** First bad answers, all of the candidate, that cross the bound. */
const BAD = 60;
const WINDOW_MS = 1_000;

/** One client of a fleet, and since when it has given the control to a key that it gave the candidate before. */
class Client {
  #evaluator: Evaluator | undefined;
  #watched: { readonly key: string; readonly candidate: number } | undefined;
  backAt: number | undefined;

  constructor(readonly place: Place) {}

  async open(name: string): Promise<void> {
    this.#evaluator = await this.place.open(name, () => void this.look());
  }

  get evaluator(): Evaluator {
    if (this.#evaluator === undefined) throw new Error('The client was not opened.');
    return this.#evaluator;
  }

  async revisionOf(key: string): Promise<number> {
    const [answer] = await this.evaluator.evaluate([CONFIG], [{ targetingKey: key }]);
    return answer?.revision ?? 0;
  }

  /** Notes from now on when the key no longer gets the candidate. */
  watch(key: string, candidate: number): void {
    this.#watched = { key, candidate };
    this.backAt = undefined;
  }

  private async look(): Promise<void> {
    const at = Date.now();
    const watched = this.#watched;
    if (watched === undefined || this.backAt !== undefined) return;
    if ((await this.revisionOf(watched.key)) !== watched.candidate) this.backAt = at;
  }

  close = (): Promise<void> => this.evaluator.close();
}

type Window = Partial<OutcomeBatch['windows'][number]>;

const report = async (api: Api, target: string, window: Window): Promise<void> => {
  const from = new Date(Date.now() - WINDOW_MS).toISOString();
  const whole = { from, ms: WINDOW_MS, model: MODEL, generation: 0, requests: 0, arms: [], ...window };
  const batch = { batch: randomUUID(), target, instance: `${target}-1`, windows: [whole] };
  const { rejected } = (await api.call('POST', '/v1/outcomes', batch)) as { readonly rejected: readonly unknown[] };
  if (rejected.length > 0) throw new Error(`Outcomes were refused: ${JSON.stringify(rejected[0])}`);
};

/** Keys that the candidate serves; all clients hash alike. */
const keysOn = async (client: Client, candidate: number): Promise<readonly string[]> => {
  const keys = Array.from({ length: BAD * 4 }, () => randomUUID());
  const answers = await client.evaluator.evaluate(
    [CONFIG],
    keys.map((targetingKey) => ({ targetingKey })),
  );
  return keys.filter((_, n) => answers[n]?.revision === candidate).slice(0, BAD);
};

/** By driver, in seconds from the sending of the deciding batch: until the store had the control, and each client gave it. */
type Reaction = ReadonlyMap<string, { readonly delivered: number; readonly back: readonly number[] }>;

/** One revision goes out to half of everybody everywhere, shows its harm, and is taken back. */
const reactOnce = async (api: Api, clients: readonly Client[], candidate: number): Promise<Reaction> => {
  await api.call('POST', '/v1/manifests', { manifests: [configManifest(CONFIG, candidate)], reason: 'bench' });
  const { id } = await api.call('POST', '/v1/rollouts', { config: CONFIG, plan: PLAN.name, reason: 'bench' });
  const asked = clients.find(({ place }) => place.target === API);
  if (asked === undefined) throw new Error('Nobody reads from the controller.');
  const keys = await until('the candidate at the API', async () => {
    const found = await keysOn(asked, candidate);
    return found.length === BAD ? found : undefined;
  });
  const [key = ''] = keys;
  await until('the candidate at every client', async () => {
    const revisions = await Promise.all(clients.map((client) => client.revisionOf(key)));
    return revisions.every((revision) => revision === candidate) ? true : undefined;
  });
  for (const client of clients) client.watch(key, candidate);
  // At a moment that no reader is in step with.
  await sleep(Math.random() * Math.max(...clients.map(({ place }) => place.pollMs)));
  const generation = await asked.evaluator.generation();
  const arms = [{ config: CONFIG, revision: candidate, requests: BAD, units: keys.slice(0, 64), unassigned: 0 }];
  const bad = keys.map((unit) => ({ signal: PLAN.signal, unit, revisions: { [CONFIG]: candidate } }));
  const sentAt = Date.now();
  await report(api, API, { generation, requests: BAD, arms, bad });
  await until('the control at every client', async () =>
    clients.every(({ backAt }) => backAt !== undefined) ? true : undefined,
  );
  const gone = (await eventsOf(api, String(id))).filter(
    ({ type, data }) => type === 'ExposureChanged' && data['shareBp'] === 0,
  );
  const since = (time: number): number => (time - sentAt) / 1_000;
  const reactions = [...new Set(clients.map(({ place }) => place))].map(({ driver, target }) => {
    const at = gone.find(({ data }) => data['target'] === target)?.recordedAt;
    const back = clients
      .filter(({ place }) => place.driver === driver)
      .map(({ backAt }) => since(backAt ?? Number.NaN));
    return [driver, { delivered: since(Date.parse(at ?? '')), back }] as const;
  });
  await until('the end of the rollback', async () => {
    const { status } = await api.call('GET', `/v1/rollouts/${String(id)}`);
    return status === 'rolled-back' ? true : undefined;
  });
  return new Map(reactions);
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const folder = temporaryFolder('react-drivers');
  const dataDir = join(folder, 'controller');
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const secondMs = context.quick ? 200 : 1_000;
  Object.assign(process.env, ENVIRONMENT);
  const receiver = await openReceiver();
  const controller = await startController(join(root, 'dist/apps/controller/src/main.js'), dataDir);
  const stores = await startStores(root, join(folder, 'emulator.log'), secondMs);
  const api = apiOf(controller);
  const places = placesOf({ controller, stores, receiver, folder, configs: [CONFIG], secondMs });
  const clients = places.flatMap((place) => Array.from({ length: READERS }, () => new Client(place)));
  const flowing = setInterval(() => {
    for (const { target } of places) report(api, target, { requests: 500 }).catch(() => undefined);
  }, WINDOW_MS);
  try {
    const manifests = [...manifestsOf({ stores, receiver }, PLAN), configManifest(CONFIG, 1)];
    await api.call('POST', '/v1/manifests', { manifests, reason: 'bench' });
    await Promise.all(clients.map((client, n) => client.open(`${client.place.target}-${n}`)));
    await waitForTraffic(
      api,
      { config: CONFIG, plan: PLAN.name },
      places.map(({ target }) => target),
    );
    const reactions: Reaction[] = [];
    for (let turn = 0; turn < (context.quick ? 3 : 6); turn += 1)
      reactions.push(await reactOnce(api, clients, turn + 2));
    return figuresOf(context, places, reactions);
  } finally {
    clearInterval(flowing);
    await Promise.allSettled(clients.map((client) => client.close()));
    stores.stop();
    await controller.stop();
    await receiver.close();
    discard(folder, dataDir);
  }
};

const figuresOf = (context: BenchContext, places: readonly Place[], reactions: readonly Reaction[]): Figures => {
  context.say(
    `  ${reactions.length} rollbacks, ${READERS} clients of each driver, in seconds from the deciding batch on`,
  );
  const drivers = places.map(({ driver, pollMs }) => {
    const own = reactions.flatMap((reaction) => reaction.get(driver) ?? []);
    const back = own.flatMap((each) => each.back);
    const [poll, p99] = [round(pollMs / 1_000), round(quantile(back, 0.99))];
    const delivered = summarise(own.map((each) => each.delivered));
    context.say(
      `    ${driver.padEnd(22)} read each ${poll} s: delivered after median ${delivered.median}; at the clients after median ${round(quantile(back, 0.5))}, p99 ${p99}, over the poll ${round(p99 - poll)}`,
    );
    return { driver, poll, p99, overPoll: round(p99 - poll), median: round(quantile(back, 0.5)), delivered };
  });
  return {
    overPoll: Math.max(...drivers.map(({ overPoll }) => overPoll)),
    drivers,
    clients: READERS,
    rollbacks: reactions.length,
  };
};

export const reactDrivers: Bench = {
  measures:
    'beside react, for each driver with the interval in which its clients read: from the sending of the bad answers that make the evidence sufficient until each client, evaluating with the official provider, gives the control; stores are emulated, their readers are the vendors’ own',
  quick: '3 rollbacks instead of 6, and seconds between two readings last 0.2 s',
  musts: [{ key: 'overPoll', atMost: 3 }],
  run: measure,
};
