import { conductTaskId } from '#libs/application';
import type { OutcomeReceipt, OutcomeWindow } from '#libs/contracts';
import type { Clock } from '#libs/kernel';
import type { MemoryPlatform } from '#libs/platforms';
import { MemoryIntake, type MemoryEvidenceStore } from '#libs/signals';
import type { Controller } from './controller.js';
import type { Exporters } from './exporters.js';
import { SIGNALS, TARGETS } from './setting.js';
import type { Step } from './steps.js';
import type { OpenTasks } from './tasks.js';
import { heldOf, instancesOf, meterOf, type Held, type Instance, type Traffic } from './traffic.js';
import type { Witness } from './witness.js';

type Fate = Extract<Step, { do: 'instance' }>['fate'];

/** What fleets touch of the world. */
export type Surroundings = {
  readonly clock: Clock;
  readonly witness: Witness;
  readonly platform: MemoryPlatform;
  readonly evidence: MemoryEvidenceStore;
  readonly tasks: OpenTasks;
  readonly chance: () => number;
};

/** A lagging instance takes nothing newer for so many rounds. */
const LAG = 4;
/** No window tells of a longer time. */
const LONGEST_WINDOW_MS = 6_000;
/** An instance that sends late sends when so many batches have gathered. */
const LATE = 4;

/** All instances: they take rulesets, keep the last one on their disks, serve with it, and say what they saw. */
export class Fleets {
  readonly instances: readonly Instance[] = instancesOf();
  readonly outcomes = new Map<string, 'silent' | 'late'>();
  /** Target → the signal that is not measured there. */
  readonly blind = new Map<string, string>();
  readonly #held = new Map<string, Held>();

  /** `exporters`: undefined where nothing is counted by metrics. */
  constructor(
    private readonly world: Surroundings,
    private readonly traffic: Traffic,
    private readonly exporters: Exporters | undefined,
  ) {
    for (const instance of this.instances) this.#begins(instance);
  }

  /** One round: each serves with what it had, then takes what is newer, and tells the controller, if one is reached. */
  pass(ms: number, told: Controller | undefined): void {
    for (const instance of this.instances) {
      if (!instance.isUp) continue;
      this.#serve(instance, ms);
      if (told) this.#takeNewest(instance);
      if (told) this.#speak(instance, told);
      this.exporters?.pass(instance, this.world.clock.now(), told);
    }
  }

  /** A new process has a meter of its own. */
  #begins(instance: Instance): void {
    if (this.exporters) instance.meter = meterOf(instance, this.world.clock.now());
    instance.exports = [];
    instance.arms.clear();
  }

  /** Everything is well again; those that were down come back with what is on their disks. */
  heal(): void {
    this.outcomes.clear();
    this.blind.clear();
    this.exporters?.fates.clear();
    for (const instance of this.instances) {
      this.meet(instance, 'returns');
      instance.lag = 0;
    }
  }

  meet(instance: Instance, fate: Fate): void {
    if (fate === 'lags') instance.lag = LAG;
    if (fate === 'forgets') instance.file = this.#oldest(instance);
    if (fate === 'dies') instance.isUp = false;
    if (fate !== 'returns' || instance.isUp) return;
    instance.isUp = true;
    this.#begins(instance);
    this.#evaluates(instance, instance.file, true);
  }

  /** What a target holds, read once. */
  heldOf(target: string): Held | undefined {
    const snapshot = this.world.platform.feed.current(target);
    if (!snapshot) return undefined;
    const known = this.#held.get(target);
    if (known && known.generation === snapshot.generation && known.ruleset === snapshot.ruleset) return known;
    const held = heldOf(snapshot.generation, snapshot.ruleset);
    this.#held.set(target, held);
    return held;
  }

  /** A disk that was restored holds what was served long ago. */
  #oldest({ target, file }: Instance): Held | undefined {
    const oldest = this.world.witness.held.find((sighting) => sighting.target === target);
    return oldest ? heldOf(oldest.generation, oldest.ruleset) : file;
  }

  #evaluates(instance: Instance, held: Held | undefined, isOld = false): void {
    instance.held = held;
    if (held) this.world.witness.evaluates(instance.target, instance.name, held, isOld);
  }

  /** A client keeps what it has while nobody answers, and never takes what is older. */
  #takeNewest(instance: Instance): void {
    if (instance.lag > 0) {
      instance.lag -= 1;
      return;
    }
    const newest = this.heldOf(instance.target);
    if (!newest || newest.generation <= (instance.held?.generation ?? 0)) return;
    this.#evaluates(instance, newest);
    if (this.world.chance() < 0.9) instance.file = newest;
  }

  #serve(instance: Instance, ms: number): void {
    const models = TARGETS.find(({ target }) => target === instance.target)?.models ?? [];
    const span = Math.min(Math.max(ms, 100), LONGEST_WINDOW_MS);
    const windows = models.flatMap((model): OutcomeWindow[] => {
      const whole = this.traffic.window(instance, model, this.world.clock.now(), span);
      if (!whole) return [];
      const window = this.#asMeasured(instance.target, whole);
      return this.world.chance() < 0.01 ? [{ ...window, generation: window.generation + 100_000 }] : [window];
    });
    const late = this.traffic.late(instance, this.world.clock.now(), span);
    if (late.length > 0) this.world.witness.comes('outcomes: late');
    windows.push(...late);
    const fate = this.outcomes.get(instance.target);
    if (windows.length > 0 && fate !== 'silent') instance.outbox.push(this.traffic.batch(instance, windows));
  }

  #asMeasured(target: string, window: OutcomeWindow): OutcomeWindow {
    const missing = this.blind.get(target);
    if (missing === undefined) return window;
    this.world.witness.comes('outcomes: a signal is not measured');
    const signals = SIGNALS.flatMap(({ signal }) => (signal === missing ? [] : [signal]));
    return { ...window, signals, bad: window.bad.filter(({ signal }) => signal !== missing) };
  }

  #told({ repeated, rejected }: OutcomeReceipt): void {
    if (repeated) this.world.witness.comes('outcomes: repeated');
    for (const { code } of rejected) this.world.witness.comes(`outcomes: ${code}`);
  }

  #speak(instance: Instance, to: Controller): void {
    if (instance.held) {
      const heartbeat = { generation: instance.held.generation };
      void to.driver.acknowledge(instance.target, instance.name, heartbeat, to.clock.now());
    }
    this.#send(instance, to);
  }

  /** What nobody has taken is sent again; some of what was taken is sent again as well. */
  #send(instance: Instance, to: Controller): void {
    if (this.outcomes.get(instance.target) === 'late' && instance.outbox.length < LATE) return;
    const intake = new MemoryIntake(this.world.evidence.rows, to.exposures);
    const touched = new Set<string>();
    for (const batch of instance.outbox) {
      for (let times = this.world.chance() < 0.1 ? 2 : 1; times > 0; times -= 1)
        this.#told(intake.take(batch, { token: 'fleet' }, to.clock.now()));
      for (const { rollout } of to.view.fleet.desired(instance.target)) if (rollout !== null) touched.add(rollout);
    }
    instance.outbox = [];
    if (!to.isDeaf) void this.world.tasks.hasten([...touched].map(conductTaskId));
  }
}
