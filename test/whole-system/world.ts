import { CommandRunner, type LiveView, type Progress } from '#libs/application';
import { isOver } from '#libs/domain';
import { MemoryProcessStore } from '#libs/event-store';
import type { RecordedEvent } from '#libs/kernel';
import { MemoryPlatform } from '#libs/platforms';
import { MemoryEvidenceStore } from '#libs/signals';
import { CountedIds, MemoryProgressBoard, VirtualClock } from '#libs/testing';
import { randomOf } from '../chaos/points.js';
import { Controller, type Parts, type Shared } from './controller.js';
import { Comparers } from './comparers.js';
import { Exporters } from './exporters.js';
import { Fleets } from './fleets.js';
import { People } from './people.js';
import { BREAKABLE, CONFIGS, COUNTED, furnish, SIGNALS, TARGETS } from './setting.js';
import type { Run, Step, TargetFault } from './steps.js';
import { OpenTasks } from './tasks.js';
import { Traffic } from './traffic.js';
import { Turns } from './turns.js';
import { NotedStore, Witness } from './witness.js';

/** More rounds than anything takes that comes to rest. */
const MOST_ROUNDS = 3_000;

/** Whether any plan goes by a signal. */
const isJudged = ({ plans }: Run, signal: string): boolean => JSON.stringify(plans).includes(`"signal":"${signal}"`);

/** Whether any plan goes by what metrics count: fleets send none otherwise. */
const isCounted = (run: Run): boolean => COUNTED.some(({ signal }) => isJudged(run, signal));

/** The log, the queue, the targets, the fleets, the people and a few controllers, on one clock of its own. */
export class World {
  readonly clock = new VirtualClock();
  readonly witness = new Witness(() => this.clock.now());
  readonly store = new NotedStore(this.clock, this.witness);
  readonly tasks = new OpenTasks(this.clock);
  readonly evidence = new MemoryEvidenceStore(undefined, this.clock);
  readonly board = new MemoryProgressBoard<Progress>();
  readonly platform: MemoryPlatform;
  readonly faults = new Map<string, TargetFault>();
  readonly people: People;
  readonly turns: Turns;
  readonly fleets: Fleets;
  readonly exporters: Exporters | undefined;
  readonly #comparers: Comparers;
  readonly #traffic: Traffic;
  readonly chance: () => number;
  readonly #slots: { controller: Controller | undefined; offsetMs: number; lives: number }[];
  readonly #shared: Shared;
  #alive: readonly Controller[] = [];
  #troubles = { writes: 0, isDone: false };

  constructor(
    readonly run: Run,
    private readonly parts: Parts,
    platform = new MemoryPlatform(),
  ) {
    this.platform = platform;
    this.chance = randomOf(run.luck);
    this.turns = new Turns(this.chance, () => this.clock.now());
    this.people = new People(this.witness, run);
    const { turns, witness, store, evidence, board, tasks, clock, chance } = this;
    const { meteredRequests } = witness;
    this.#traffic = new Traffic(chance, (arm, requests) =>
      meteredRequests.set(arm, (meteredRequests.get(arm) ?? 0) + requests),
    );
    witness.faultsPlanted = this.#traffic.faults;
    this.exporters = isCounted(run) ? new Exporters({ witness, tasks, chance }) : undefined;
    const surroundings = { clock, witness, platform, evidence, tasks, chance };
    this.fleets = new Fleets(surroundings, this.#traffic, this.exporters);
    this.#comparers = new Comparers({ witness, evidence, tasks, chance });
    const processes = new MemoryProcessStore({ store, tasks });
    const outside = { turns, witness, store, evidence, board, trouble: (isDone: boolean) => this.#trouble(isDone) };
    const faultOf = (target: string) => this.faults.get(target);
    this.#shared = { ...outside, faultOf, rows: evidence.rows, platform, tasks, processes, clock, chance };
    this.#slots = run.clocksMs.map((offsetMs) => ({ controller: undefined, offsetMs, lives: 0 }));
  }

  async begin(): Promise<void> {
    this.witness.onEvent = (event) => this.#note(event);
    await furnish(new CommandRunner(this.store, this.clock, new CountedIds('setting')), this.run.plans);
    this.turns.isHealthy = true;
    for (const slot of this.#slots.keys()) this.#revive(slot);
    await this.settle();
    this.pass(1_000);
    await this.settle();
    this.turns.isHealthy = false;
  }

  /** What the evidence holds in the moment in which a stage passes. */
  #note({ type, position, data }: RecordedEvent): void {
    const { units, bakes } = this.evidence.rows.of(String(data['rollout']));
    if (type === 'ExposureRequested' && data['purpose'] === 'settle')
      this.witness.watched.set(position, bakes.get('* watch')?.bakedMs ?? 0);
    if (type !== 'StagePassed') return;
    const seen = [...units.values()].map((cell) => [`${cell.target} ${cell.model}`, cell.units.size] as const);
    this.witness.activation.set(position, new Map(seen));
    const bake = bakes.get(`${String(data['track'])} ${String(data['stage'])}`);
    this.witness.baked.set(position, bake?.bakedMs ?? 0);
  }

  /** Those that are alive. */
  get controllers(): readonly Controller[] {
    return this.#alive;
  }

  /** A view that has read everything, if any controller has. */
  get view(): LiveView | undefined {
    return this.controllers.find(({ view }) => view.position === this.witness.head)?.view;
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'go on':
        this.pass(step.ms);
        await this.settle();
        return;
      case 'wait':
        this.pass(step.ms);
        return;
      case 'work':
        await this.#work(step.turns);
        return;
      case 'kill':
        this.pass(step.ms);
        await this.#work(step.turns);
        this.#change(step);
        return;
      default:
        this.#change(step);
    }
  }

  /** Does all that can be done now, by whoever comes first. */
  async settle(): Promise<void> {
    await this.turns.rest();
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      const begun = this.#beginAll();
      if (!begun && !this.turns.isAnyReady) return;
      await this.turns.round();
    }
    this.witness.faults.push('The controllers do not come to rest although no time passes.');
  }

  /** Lets time pass: fleets serve, and tell one of those that they reach. */
  pass(ms: number): void {
    this.clock.advance(ms);
    const [told] = this.#reachable();
    this.fleets.pass(ms, told);
    if (told) this.#comparers.pass(told);
  }

  /** Everything is well again but for what was broken on purpose: quality, and the targets named here. */
  heal(except: readonly string[] = []): void {
    this.#troubles = { writes: 0, isDone: false };
    this.turns.isHealthy = true;
    this.fleets.heal();
    for (const { target } of TARGETS) if (!except.includes(target)) this.faults.delete(target);
    for (const [slot, { controller }] of this.#slots.entries()) {
      if (controller) controller.isDeaf = false;
      else this.#revive(slot);
    }
  }

  async #work(turns: number): Promise<void> {
    await this.turns.rest();
    for (let turn = 0; turn < turns; turn += 1) {
      this.#beginAll();
      await this.turns.next();
    }
  }

  #beginAll(): boolean {
    let begun = this.people.insist(this.controllers);
    const first = Math.floor(this.chance() * this.#alive.length);
    for (let next = 0; next < this.#alive.length; next += 1)
      begun = this.#alive[(first + next) % this.#alive.length]?.begin() === true || begun;
    return begun;
  }

  #inAnyOrder(): readonly Controller[] {
    const first = Math.floor(this.chance() * this.#alive.length);
    return [...this.#alive.slice(first), ...this.#alive.slice(0, first)];
  }

  #revive(index: number): void {
    const slot = this.#slots[index];
    if (!slot || slot.controller) return;
    slot.lives += 1;
    const name = `c${index}.${slot.lives}`;
    slot.controller = new Controller(name, this.#shared, this.parts, () => slot.offsetMs);
    this.#count();
  }

  #count(): void {
    this.#alive = this.#slots.flatMap(({ controller }) => (controller ? [controller] : []));
  }

  #change(step: Step): void {
    const at = 'controller' in step ? step.controller % this.#slots.length : 0;
    const slot = this.#slots[at];
    if (!slot) return;
    switch (step.do) {
      case 'kill':
        if (slot.controller) this.turns.end(slot.controller.life);
        if (slot.controller?.isAtWork === true) this.witness.comes('controller: killed at work');
        slot.controller = undefined;
        this.#count();
        return;
      case 'revive':
        this.#revive(at);
        return;
      case 'deafen':
      case 'hear':
        if (slot.controller) slot.controller.isDeaf = step.do === 'deafen';
        return;
      case 'clock':
        slot.offsetMs = step.ms;
        return;
      case 'trouble':
        this.#troubles = { writes: step.writes, isDone: step.isDone };
        return;
      case 'target': {
        const { target } = TARGETS[step.target % TARGETS.length] ?? TARGETS[0];
        if (step.fault === null) this.faults.delete(target);
        else this.faults.set(target, step.fault);
        return;
      }
      case 'outcomes': {
        const { target } = TARGETS[step.target % TARGETS.length] ?? TARGETS[0];
        if (step.fate === 'prompt') this.fleets.outcomes.delete(target);
        else this.fleets.outcomes.set(target, step.fate);
        return;
      }
      case 'metrics': {
        const { target } = TARGETS[step.target % TARGETS.length] ?? TARGETS[0];
        if (step.fate === 'prompt') this.exporters?.fates.delete(target);
        else this.exporters?.fates.set(target, step.fate);
        return;
      }
      case 'blind': {
        const { target } = TARGETS[step.target % TARGETS.length] ?? TARGETS[0];
        if (step.signal === null) this.fleets.blind.delete(target);
        else this.fleets.blind.set(target, (SIGNALS[step.signal % SIGNALS.length] ?? SIGNALS[0]).signal);
        return;
      }
      case 'instance': {
        const instance = this.fleets.instances[step.instance % this.fleets.instances.length];
        if (instance) this.fleets.meet(instance, step.fate);
        return;
      }
      case 'break':
        this.#break(step);
        return;
      default:
        this.people.take(step, this.#reachable());
    }
  }

  /** Those that a person gets an answer from. */
  #reachable(): readonly Controller[] {
    return this.#inAnyOrder().filter(({ isUp, isDeaf }) => isUp && !isDeaf);
  }

  #break({ config, signal, target }: Extract<Step, { do: 'break' }>): void {
    const { config: name } = CONFIGS[config % CONFIGS.length] ?? CONFIGS[0];
    const judged = BREAKABLE.filter((each) => isJudged(this.run, each));
    const bad = judged[signal % judged.length] ?? SIGNALS[0].signal;
    const running = [...(this.view?.rollouts.values() ?? [])].find(
      ({ rollout }) => rollout.config === name && !isOver(rollout),
    );
    const revision = running?.rollout.revision ?? this.view?.fleet.configs.get(name)?.revisions.length ?? 2;
    const where = target === null ? null : (TARGETS[target % TARGETS.length]?.target ?? null);
    this.#traffic.faults.push({ config: name, revision, signal: bad, target: where });
  }

  #trouble(isDone: boolean): void {
    if (this.#troubles.writes === 0 || this.#troubles.isDone !== isDone) return;
    this.#troubles.writes -= 1;
    throw new Error('The database is away.');
  }
}
