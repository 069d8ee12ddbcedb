import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutcomeWindow } from '#libs/contracts';
import { createAcknowledger } from '../../apps/simulator/src/fleet/acknowledger.js';
import { connect, type Connection } from '../../apps/simulator/src/fleet/connection.js';
import { createEvaluator, type Evaluation, type Evaluator } from '../../apps/simulator/src/fleet/evaluator.js';
import { MODEL, PLATFORMS, SIGNAL } from './manifests.js';

/** Where the fleet finds its controller, and what it serves. */
export type FleetSetting = {
  /** Tells its instances from those of other fleets. */
  readonly name: string;
  readonly url: string;
  readonly syncPort: number;
  readonly token: string;
  readonly instancesPerPlatform: number;
  readonly requestsPerSecond: number;
  readonly configs: readonly string[];
};

/** One rollback to bring about: bad answers of the candidate, sent in one batch. */
export type Trigger = { readonly config: string; readonly candidate: number; readonly bad: number };

/** When the last instances evaluated to the control, and what was served until then. Times are epoch ms. */
export type Reaction = {
  readonly platforms: Readonly<Record<string, number>>;
  readonly after: number;
  /** Only of the fleet that sent the batch. */
  readonly sent: { readonly at: number; readonly tookMs: number } | undefined;
};

export type FleetOrder =
  | { readonly do: 'start'; readonly setting: FleetSetting }
  /** Answered once every instance serves the candidate to some and has said so. */
  | { readonly do: 'expose'; readonly trigger: Trigger }
  | { readonly do: 'trigger'; readonly trigger: Trigger; readonly send: boolean }
  | { readonly do: 'stop' };
export type FleetReport =
  | { readonly is: 'started' | 'exposed' }
  | { readonly is: 'reacted'; readonly reaction: Reaction }
  | { readonly is: 'stopped' };

const WINDOW_MS = 1_000;
const TURN_MS = 500;
const HEARTBEAT_MS = 5_000;
const GIVE_UP_MS = 30_000;
/** Keys that are asked for to find one on the candidate: at half exposure not all of them escape it. */
const PROBES = Array.from({ length: 24 }, (_, n) => ({ targetingKey: `probe-${n}` }));

type Probe = (typeof PROBES)[number];

type Counts = { readonly requests: number; readonly units: Set<string> };

type Watch = {
  readonly trigger: Trigger;
  /** A key that every instance served the candidate; all of them hash alike. */
  readonly probe: Probe;
  readonly waiting: Set<Instance>;
  readonly lastAt: Map<string, number>;
  after: number;
  readonly done: () => void;
};

/** One serving process of a platform: the official client, a window of outcomes each second, acknowledgements. */
class Instance {
  readonly #arms = new Map<string, Counts>();
  #generation = 0;
  #from = Date.now();

  private constructor(
    readonly target: string,
    readonly name: string,
    private readonly fleet: Fleet,
    private readonly evaluator: Evaluator,
  ) {}

  static async start(target: string, name: string, fleet: Fleet): Promise<Instance> {
    const { setting, connection } = fleet;
    const started: { instance?: Instance } = {};
    const acknowledger = createAcknowledger(connection, target, name, () => undefined);
    const evaluator = await createEvaluator({
      domain: name,
      host: new URL(setting.url).hostname,
      syncPort: setting.syncPort,
      selector: `${target}?token=${setting.token}`,
      configs: setting.configs,
      kept: undefined,
      onChange: () => void started.instance?.changed(acknowledger),
      onSource: () => undefined,
    });
    const instance = new Instance(target, name, fleet, evaluator);
    started.instance = instance;
    await instance.changed(acknowledger);
    fleet.every(TURN_MS, () => instance.serve());
    fleet.every(WINDOW_MS, () => instance.send());
    fleet.every(HEARTBEAT_MS, () => acknowledger.acknowledge(instance.#generation));
    return instance;
  }

  /** The ruleset is another one: what do the keys get now, and tell the controller. */
  private async changed(acknowledger: ReturnType<typeof createAcknowledger>): Promise<void> {
    this.#generation = await this.evaluator.generation();
    const { watch } = this.fleet;
    if (watch?.waiting.has(this) && !(await this.serves(watch.trigger.config, watch.trigger.candidate, watch.probe)))
      this.fleet.recovered(this);
    this.fleet.busy += 1;
    await acknowledger.acknowledge(this.#generation);
    this.fleet.busy -= 1;
  }

  /** Whether this key gets this revision. */
  async serves(config: string, revision: number, probe: Probe): Promise<boolean> {
    const [answer] = await this.evaluator.evaluate([config], [probe]);
    return answer?.revision === revision;
  }

  /** A key that gets this revision, if there is one. */
  async probeOf(config: string, revision: number): Promise<Probe | undefined> {
    const answers = await this.evaluator.evaluate([config], PROBES);
    return PROBES[answers.findIndex((answer) => answer.revision === revision)];
  }

  private async serve(): Promise<void> {
    const { configs, requestsPerSecond } = this.fleet.setting;
    const config = configs[Math.floor(Math.random() * configs.length)] ?? '';
    const units = Array.from({ length: Math.max(1, Math.round((requestsPerSecond * TURN_MS) / 1_000)) }, () => ({
      targetingKey: `unit-${Math.floor(Math.random() * 1e6)}`,
    }));
    const answers = await this.evaluator.evaluate([config], units);
    for (const [n, answer] of answers.entries()) this.#count(config, answer, units[n]?.targetingKey ?? '');
  }

  #count(config: string, { revision, generation }: Evaluation, unit: string): void {
    if (revision === 0) return;
    const { watch } = this.fleet;
    if (watch?.trigger.config === config && watch.trigger.candidate === revision) watch.after += 1;
    const key = JSON.stringify([generation, config, revision]);
    const known = this.#arms.get(key) ?? { requests: 0, units: new Set<string>() };
    if (known.units.size < 64) known.units.add(unit);
    this.#arms.set(key, { requests: known.requests + 1, units: known.units });
  }

  private async send(): Promise<void> {
    const now = Date.now();
    const windows = new Map<number, OutcomeWindow>();
    for (const [key, { requests, units }] of this.#arms) {
      const [generation, config, revision] = JSON.parse(key) as [number, string, number];
      const window = windows.get(generation) ?? windowOf(this.#from, now, generation);
      const arm = { config, revision, requests, units: [...units], unassigned: 0 };
      windows.set(generation, { ...window, requests: window.requests + requests, arms: [...window.arms, arm] });
    }
    this.#arms.clear();
    this.#from = now;
    if (windows.size > 0) await this.fleet.post(this, [...windows.values()]);
  }

  /** The batch that decides: first bad answers of that many units of the candidate. */
  async sendBad({ config, candidate, bad }: Trigger): Promise<void> {
    const now = Date.now();
    const revisions = { [config]: candidate };
    const units = await this.unitsOn(config, candidate, bad);
    const window = windowOf(now - WINDOW_MS, now, this.#generation);
    const arm = { config, revision: candidate, requests: bad, units: units.slice(0, 64), unassigned: 0 };
    await this.fleet.post(this, [
      { ...window, requests: bad, arms: [arm], bad: units.map((unit) => ({ signal: SIGNAL, unit, revisions })) },
    ]);
  }

  /** New units whose coin puts them on a revision. */
  private async unitsOn(config: string, revision: number, count: number): Promise<readonly string[]> {
    const found: string[] = [];
    while (found.length < count) {
      const units = Array.from({ length: 1_000 }, () => ({ targetingKey: randomUUID() }));
      const answers = await this.evaluator.evaluate([config], units);
      for (const [n, answer] of answers.entries())
        if (answer.revision === revision) found.push(units[n]?.targetingKey ?? '');
    }
    return found.slice(0, count);
  }

  close(): Promise<void> {
    return this.evaluator.close();
  }
}

const windowOf = (from: number, to: number, generation: number): OutcomeWindow => ({
  from: new Date(from).toISOString(),
  ms: Math.max(100, to - from),
  model: MODEL,
  generation,
  requests: 0,
  arms: [],
  bad: [],
  values: [],
  pairs: [],
});

/** Instances of the three platforms, in one process. */
class Fleet {
  readonly connection: Connection;
  readonly #timers = new Set<NodeJS.Timeout>();
  #instances: readonly Instance[] = [];
  #stopped = false;
  watch: Watch | undefined;
  /** Acknowledgements of a new ruleset that are on their way. */
  busy = 0;
  #recovery: Promise<void> | undefined;

  constructor(readonly setting: FleetSetting) {
    this.connection = connect(setting.url, setting.token);
  }

  async start(): Promise<void> {
    const names = PLATFORMS.flatMap((target) =>
      Array.from({ length: this.setting.instancesPerPlatform }, (_, n) => ({
        target,
        name: `${target}-${this.setting.name}-${n}`,
      })),
    );
    this.#instances = await Promise.all(names.map(({ target, name }) => Instance.start(target, name, this)));
  }

  /** Does the work again and again, each instance at a phase of its own. */
  every(ms: number, work: () => Promise<void>): void {
    const turn = (wait: number): void => {
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        if (this.#stopped) return;
        turn(ms);
        work().catch(fail);
      }, wait);
      this.#timers.add(timer);
    };
    turn(Math.random() * ms);
  }

  async post(instance: Instance, windows: readonly OutcomeWindow[]): Promise<void> {
    const body = JSON.stringify({ batch: randomUUID(), target: instance.target, instance: instance.name, windows });
    const { status, text } = await this.connection.call({ method: 'POST', path: '/v1/outcomes', body });
    if (status !== 202) throw new Error(`POST /v1/outcomes answered ${status}: ${text.slice(0, 300)}`);
    const { rejected } = JSON.parse(text) as { readonly rejected: readonly { readonly detail: string }[] };
    const [first] = rejected;
    if (first !== undefined) throw new Error(`${rejected.length} outcomes were refused: ${first.detail}`);
  }

  recovered(instance: Instance): void {
    const { watch } = this;
    if (!watch) return;
    watch.waiting.delete(instance);
    watch.lastAt.set(instance.target, Date.now());
    if (watch.waiting.size === 0) watch.done();
  }

  /** Waits until each instance serves the candidate to some and has said so. */
  async expose({ config, candidate, bad }: Trigger): Promise<void> {
    const deadline = performance.now() + GIVE_UP_MS;
    const found = new Set<Probe>();
    for (const instance of this.#instances) {
      for (;;) {
        const probe = await instance.probeOf(config, candidate);
        if (probe) found.add(probe);
        if (probe) break;
        if (performance.now() > deadline) throw new Error(`${instance.name} was never given ${config} r${candidate}.`);
        await sleep(20);
      }
    }
    const [probe] = found;
    if (!probe || found.size > 1) throw new Error(`Instances do not agree who gets ${config} r${candidate}.`);
    while (this.busy > 0) await sleep(20);
    this.#recovery = new Promise<void>((done) => {
      const trigger = { config, candidate, bad };
      this.watch = { trigger, probe, waiting: new Set(this.#instances), lastAt: new Map(), after: 0, done };
    });
  }

  /** Waits for its last instance; one of the fleets sends the deciding batch. */
  async trigger(trigger: Trigger, isSender: boolean): Promise<Reaction> {
    const { watch } = this;
    const sender = this.#instances[Math.floor(Math.random() * this.#instances.length)];
    if (!sender || !watch) throw new Error('The fleet serves the candidate to nobody.');
    watch.after = 0;
    const at = Date.now();
    if (isSender) await sender.sendBad(trigger);
    const sent = isSender ? { at, tookMs: Date.now() - at } : undefined;
    await Promise.race([this.#recovery, tooLate(trigger)]);
    this.watch = undefined;
    return { platforms: Object.fromEntries(watch.lastAt), after: watch.after, sent };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#instances.map((instance) => instance.close()));
    this.connection.close();
  }
}

const tooLate = async ({ config }: Trigger): Promise<never> => {
  await sleep(GIVE_UP_MS, undefined, { ref: false });
  throw new Error(`${config} was not taken back in ${GIVE_UP_MS} ms.`);
};

const fail = (error: unknown): void => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
};

const send = (report: FleetReport): void => void process.send?.(report);

let fleet: Fleet | undefined;

const obey = async (order: FleetOrder): Promise<void> => {
  if (order.do === 'start') {
    fleet = new Fleet(order.setting);
    await fleet.start();
    send({ is: 'started' });
  } else if (order.do === 'stop') {
    await fleet?.stop();
    send({ is: 'stopped' });
    process.disconnect();
  } else if (!fleet) {
    throw new Error('The fleet was not started.');
  } else if (order.do === 'expose') {
    await fleet.expose(order.trigger);
    send({ is: 'exposed' });
  } else {
    send({ is: 'reacted', reaction: await fleet.trigger(order.trigger, order.send) });
  }
};

process.on('message', (order: FleetOrder) => void obey(order).catch(fail));
