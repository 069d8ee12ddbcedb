import type { OutcomeWindow } from '#libs/contracts';
import { createRandom, seedOf } from '../random.js';
import type { Fault, FleetTarget, Scenario } from '../scenario/index.js';
import { createAcknowledger, type AcknowledgementStats } from './acknowledger.js';
import type { Connection } from './connection.js';
import { createEvaluator, type Evaluator } from './evaluator.js';
import type { TargetTruth } from './ground-truth.js';
import { createOutbox, type OutboxStats } from './outbox.js';
import { createRulesetFile, type RulesetFile } from './ruleset-file.js';
import { createStoreEvaluator } from './store-evaluator.js';
import type { Reader } from './store-readers.js';
import { createTraffic, type Traffic } from './traffic.js';

type Source = 'controller' | 'store' | 'disk' | 'none';

/** What an instance tells about itself. */
export type InstanceFact =
  | { readonly type: 'generation' | 'acknowledged'; readonly generation: number }
  | { readonly type: 'source'; readonly source: Source }
  | { readonly type: 'sent'; readonly windows: readonly OutcomeWindow[] };

/** A fact and whose it is; `at` is ms since 1970. */
export type FleetEvent = InstanceFact & { readonly target: string; readonly instance: string; readonly at: number };

export type Instance = {
  readonly name: string;
  readonly target: string;
  readonly generation: () => number;
  readonly source: () => Source;
  readonly traffic: Traffic;
  readonly acknowledgements: Readonly<AcknowledgementStats>;
  readonly outbox: Readonly<OutboxStats>;
  readonly waiting: () => number;
  readonly setFaults: (faults: readonly Fault[]) => void;
  readonly stop: () => Promise<void>;
};

export type InstanceOptions = {
  readonly scenario: Scenario;
  readonly target: FleetTarget;
  /** 0, 1, 2… within the target. */
  readonly index: number;
  readonly connection: Connection;
  readonly host: string;
  readonly syncPort: number;
  readonly token: string;
  /** Tells apart fleets in one process. */
  readonly fleet: string;
  readonly key: Buffer;
  readonly rulesetPath: string;
  readonly truth: TargetTruth;
  readonly onEvent: (event: FleetEvent) => void;
  /** How it reads its ruleset from somebody else's store; undefined: from the controller. */
  readonly reader: Reader | undefined;
};

const TICK_MS = 250;
// A process that was suspended does not make up for the time it slept.
const LONGEST_TICK_MS = 2_000;
const LAST_SEND_MS = 1_000;

export const instanceName = (target: string, index: number): string =>
  `${target}-${String(index + 1).padStart(2, '0')}`;

type Clock = { readonly later: (ms: number, work: () => Promise<void>) => void; readonly stop: () => void };

const createClock = (): Clock => {
  const timers = new Set<NodeJS.Timeout>();
  let stopped = false;
  const later = (ms: number, work: () => Promise<void>): void => {
    if (stopped) return;
    const timer = setTimeout(() => {
      timers.delete(timer);
      void work();
    }, ms);
    timers.add(timer);
  };
  const stop = (): void => {
    stopped = true;
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  };
  return { later, stop };
};

type Reading = { generation: number; source: Source };

const createReader = (
  options: InstanceOptions,
  file: RulesetFile,
  kept: boolean,
  reading: Reading,
  hooks: { readonly changed: () => void; readonly tell: (fact: InstanceFact) => void },
): Promise<Evaluator> => {
  const { scenario, target, index, host, syncPort, token, fleet, reader } = options;
  const onSource = (source: Source): void => {
    reading.source = source;
    hooks.tell({ type: 'source', source });
  };
  const configs = scenario.configs.map(({ name }) => name);
  if (reader) return createStoreEvaluator({ reader, path: file.path, configs, onChange: hooks.changed, onSource });
  return createEvaluator({
    domain: `${fleet}/${instanceName(target.target, index)}`,
    host,
    syncPort,
    selector: `${target.target}?token=${token}`,
    configs,
    kept: kept ? file.path : undefined,
    onChange: hooks.changed,
    onSource,
  });
};

/** One serving process: evaluates, serves, sends outcomes, acknowledges, and keeps its last ruleset on disk. */
export const startInstance = async (options: InstanceOptions): Promise<Instance> => {
  const { scenario, target, index, connection, truth } = options;
  const name = instanceName(target.target, index);
  const place = { target: target.target, instance: name };
  const tell = (fact: InstanceFact): void => options.onEvent({ ...fact, ...place, at: Date.now() });
  const file = createRulesetFile(options.rulesetPath, target.target, connection);
  // What was read from a store is on the disk before it is evaluated with.
  const keep = (): Promise<boolean> => (options.reader ? Promise.resolve(true) : file.refresh());
  const acknowledger = createAcknowledger(connection, target.target, name, (generation) =>
    tell({ type: 'acknowledged', generation }),
  );
  const onSent = (windows: readonly OutcomeWindow[]): void => tell({ type: 'sent', windows });
  const outbox = createOutbox({ connection, ...place, capacity: scenario.buffer, onSent });
  const clock = createClock();
  const reading: Reading = { generation: 0, source: 'none' };

  const noticed = (generation: number): void => {
    if (generation === reading.generation) return;
    reading.generation = generation;
    tell({ type: 'generation', generation });
    void acknowledger.acknowledge(generation);
    void keep();
  };
  const started: { evaluator?: Evaluator } = {};
  const check = async (): Promise<void> => {
    if (started.evaluator) noticed(await started.evaluator.generation());
  };
  const evaluator = await createReader(options, file, await file.exists(), reading, {
    changed: () => void check(),
    tell,
  });
  started.evaluator = evaluator;
  await check();
  const traffic = createTraffic({ scenario, target, index, instance: name, key: options.key, truth, evaluator });

  const tick = Math.min(TICK_MS, scenario.window);
  // Instances take turns, as those of a real fleet would; a stream of its own leaves the traffic's draws alone.
  const phase = createRandom(seedOf(scenario.seed, 'phase', name));
  let last = Date.now();
  let flushAt = last + tick + phase.below(scenario.window);
  const turn = async (): Promise<void> => {
    const now = Date.now();
    noticed(await traffic.serve(Math.max(last, now - LONGEST_TICK_MS), now));
    last = now;
    if (now >= flushAt) {
      outbox.push(traffic.take());
      flushAt = Math.max(flushAt + scenario.window, now + tick);
    }
    if (acknowledger.due(reading.generation)) void acknowledger.acknowledge(reading.generation);
    clock.later(Math.max(0, now + tick - Date.now()), turn);
  };
  const heartbeat = async (): Promise<void> => {
    await acknowledger.acknowledge(reading.generation);
    if (file.generation() !== reading.generation) await keep();
    clock.later(scenario.heartbeat, heartbeat);
  };
  clock.later(phase.below(tick), turn);
  clock.later(phase.below(scenario.heartbeat), heartbeat);

  const stop = async (): Promise<void> => {
    clock.stop();
    delete started.evaluator;
    outbox.push(traffic.take());
    await outbox.close(LAST_SEND_MS);
    await evaluator.close();
  };
  return {
    name,
    target: target.target,
    generation: () => reading.generation,
    source: () => reading.source,
    traffic,
    acknowledgements: acknowledger.stats,
    outbox: outbox.stats,
    waiting: outbox.waiting,
    setFaults: traffic.setFaults,
    stop,
  };
};
