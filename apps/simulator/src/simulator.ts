import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, type Connection } from './fleet/connection.js';
import { emptyTruth, snapshotTruth, type GroundTruth, type TargetTruth } from './fleet/ground-truth.js';
import { instanceName, startInstance, type FleetEvent, type Instance } from './fleet/instance.js';
import type { Reader } from './fleet/store-readers.js';
import { checkFault, type FaultInput, type Scenario } from './scenario/index.js';

export type { FleetEvent } from './fleet/instance.js';
export type { FaultTruth, GroundTruth } from './fleet/ground-truth.js';
export { checkScenario, loadScenario, parseScenario, ScenarioError, type Scenario } from './scenario/index.js';

export type SimulatorOptions = {
  readonly scenario: Scenario;
  /** Where the controller listens, such as http://127.0.0.1:7070. */
  readonly url: string;
  /** Its port for flagd sync. */
  readonly syncPort: number;
  /** A token with the role service. */
  readonly token: string;
  /** Keeps the fleets' key and the last ruleset of each instance. */
  readonly dataDir: string;
  /** Gets one line for what a person should know. */
  readonly log?: (line: string) => void;
  /** Makes what an instance of a target reads its ruleset with; undefined where that is the controller. */
  readonly readerOf?: (target: string) => Reader | undefined;
};

/** Counters since the start, over all instances. */
export type SimulatorStats = {
  readonly seconds: number;
  /** CPU time of the whole process since the start, in seconds. */
  readonly cpuSeconds: number;
  readonly instances: number;
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly evaluations: number;
  readonly acknowledgements: number;
  readonly failedAcknowledgements: number;
  readonly batches: {
    readonly sent: number;
    readonly repeated: number;
    readonly retries: number;
    readonly dropped: number;
    readonly refused: number;
    readonly rejectedItems: number;
    readonly waiting: number;
    readonly lastProblem: string | null;
  };
  /** Instances with a ruleset of a controller or of a store, and a controller that took their newest heartbeat. */
  readonly connected: number;
  readonly sources: Readonly<Record<'controller' | 'store' | 'disk' | 'none', number>>;
  /** Target → lowest and highest generation that its instances evaluate with. */
  readonly generations: Readonly<Record<string, readonly [number, number]>>;
};

/** Fleets that are running. */
export type Simulator = {
  readonly stats: () => SimulatorStats;
  readonly groundTruth: () => GroundTruth;
  /** Makes one more fault possible from now on. A fault of the same name is replaced. @throws ScenarioError */
  readonly addFault: (fault: FaultInput) => void;
  /** Ends a fault, sticky sessions included; its ground truth is kept. */
  readonly clearFault: (name: string) => void;
  /** Returns a function that ends the listening. */
  readonly onEvent: (listener: (event: FleetEvent) => void) => () => void;
  /** Sends what is left, and ends all instances. */
  readonly stop: () => Promise<void>;
};

const KEY_BYTES = 32;

const fleetKey = async (dataDir: string): Promise<Buffer> => {
  const path = join(dataDir, 'unit.key');
  const known = await readFile(path).catch(() => undefined);
  if (known?.length === KEY_BYTES) return known;
  const fresh = randomBytes(KEY_BYTES);
  await mkdir(dataDir, { recursive: true });
  await writeFile(path, fresh, { mode: 0o600 });
  return fresh;
};

const sum = <T>(items: readonly T[], of: (item: T) => number): number =>
  items.reduce((total, item) => total + of(item), 0);

const range = (numbers: readonly number[]): readonly [number, number] => [Math.min(...numbers), Math.max(...numbers)];

const statsOf = (instances: readonly Instance[], startedAt: number, startedCpu: NodeJS.CpuUsage): SimulatorStats => {
  const seconds = (Date.now() - startedAt) / 1_000;
  const cpu = process.cpuUsage(startedCpu);
  const requests = sum(instances, ({ traffic }) => traffic.requests());
  const targets = [...new Set(instances.map(({ target }) => target))];
  const from = (source: string): number => instances.filter((instance) => instance.source() === source).length;
  return {
    seconds,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    instances: instances.length,
    requests,
    requestsPerSecond: requests / Math.max(seconds, 0.001),
    evaluations: sum(instances, ({ traffic }) => traffic.evaluations()),
    acknowledgements: sum(instances, ({ acknowledgements }) => acknowledgements.done),
    failedAcknowledgements: sum(instances, ({ acknowledgements }) => acknowledgements.failed),
    batches: {
      sent: sum(instances, ({ outbox }) => outbox.sent),
      repeated: sum(instances, ({ outbox }) => outbox.repeated),
      retries: sum(instances, ({ outbox }) => outbox.retries),
      dropped: sum(instances, ({ outbox }) => outbox.dropped),
      refused: sum(instances, ({ outbox }) => outbox.refused),
      rejectedItems: sum(instances, ({ outbox }) => outbox.rejectedItems),
      waiting: sum(instances, ({ waiting }) => waiting()),
      lastProblem: instances.findLast(({ outbox }) => outbox.lastProblem !== null)?.outbox.lastProblem ?? null,
    },
    connected: instances.filter((one) => ['controller', 'store'].includes(one.source()) && one.acknowledgements.heard)
      .length,
    sources: { controller: from('controller'), store: from('store'), disk: from('disk'), none: from('none') },
    generations: Object.fromEntries(
      targets.map((name) => [
        name,
        range(instances.filter(({ target }) => target === name).map(({ generation }) => generation())),
      ]),
    ),
  };
};

/** Throws when a controller answers that does not take the token. One that does not answer may come later. */
const refuseWrongToken = async (connection: Connection, target: string, url: string): Promise<void> => {
  const path = `/v1/targets/${encodeURIComponent(target)}/ruleset`;
  const status = await connection.call({ method: 'GET', path }).then(
    (answer) => answer.status,
    () => undefined,
  );
  if (status !== 401 && status !== 403) return;
  connection.close();
  const why = status === 401 ? 'does not know the token, or it is revoked or expired' : 'does not let this token do it';
  throw new Error(`The controller at ${url} ${why} (HTTP ${status}): give one with the role service.`);
};

/**
 * Starts all fleets of a scenario. It resolves when every instance has a ruleset, or knows that none is to be had now;
 * instances that found no controller go on trying. Rejects when a controller refuses the token.
 */
export const startSimulator = async (options: SimulatorOptions): Promise<Simulator> => {
  const { scenario, url, syncPort, token, dataDir, log } = options;
  const connection = connect(url, token);
  const [first] = scenario.targets;
  if (first) await refuseWrongToken(connection, first.target, url);
  const key = await fleetKey(dataDir);
  const fleet = randomUUID();
  const truths = new Map<string, TargetTruth>(scenario.targets.map(({ target }) => [target, emptyTruth()]));
  const listeners = new Set<(event: FleetEvent) => void>();
  const onEvent = (event: FleetEvent): void => {
    for (const listener of listeners) listener(event);
    if (event.type === 'source' && (event.source === 'disk' || event.source === 'none')) {
      const instead =
        event.source === 'disk' ? 'starts from the ruleset on its disk' : 'serves the defaults of its code';
      log?.(`${event.instance}: no controller answers at ${url}; it ${instead} and goes on trying.`);
    }
  };
  const host = new URL(url).hostname;
  const starting = scenario.targets.flatMap((target) =>
    Array.from({ length: target.instances }, (_, index) => {
      const rulesetPath = join(dataDir, 'rulesets', target.target, `${instanceName(target.target, index)}.json`);
      const truth = truths.get(target.target) ?? emptyTruth();
      return startInstance({
        scenario,
        target,
        index,
        connection,
        host,
        syncPort,
        token,
        fleet,
        key,
        rulesetPath,
        truth,
        onEvent,
        reader: options.readerOf?.(target.target),
      });
    }),
  );
  const instances = await Promise.all(starting);
  const startedAt = Date.now();
  const startedCpu = process.cpuUsage();
  let faults = scenario.faults;
  const setFaults = (next: typeof faults): void => {
    faults = next;
    for (const instance of instances) instance.setFaults(faults);
  };

  return {
    stats: () => statsOf(instances, startedAt, startedCpu),
    groundTruth: () => snapshotTruth(truths),
    addFault: (input) => {
      const fault = checkFault(input, scenario);
      setFaults([...faults.filter(({ name }) => name !== fault.name), fault]);
    },
    clearFault: (name) => setFaults(faults.filter((fault) => fault.name !== name)),
    onEvent: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: async () => {
      await Promise.all(instances.map((instance) => instance.stop()));
      connection.close();
    },
  };
};
