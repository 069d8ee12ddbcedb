import {
  AbandonTargetHandler,
  AT_ONCE,
  CommandRunner,
  CONDUCT,
  Conductor,
  conductor as conductorProcess,
  DELIVER,
  Deliverer,
  Evaluator,
  LiveView,
  StartRolloutHandler,
  SteerRolloutHandler,
  UndoRevisionHandler,
  type Delivery,
  type Disposition,
  type Evidence,
} from '#libs/application';
import type { ProcessStore } from '#libs/event-store';
import type { OnTrial } from '#libs/domain';
import { Clock, type ClaimedTask, type EventStore, type Ids, type ProcessManager } from '#libs/kernel';
import { MemoryDriver, type MemoryPlatform } from '#libs/platforms';
import {
  MemoryCountedIntake,
  MemoryIntake,
  OtlpReceiver,
  type CountedIntake,
  type MemoryEvidenceStore,
} from '#libs/signals';
import { CountedIds } from '#libs/testing';
import { FleetSignalSources } from '../../apps/controller/src/composition/signal-sources.js';
import { FleetExposures } from '../../apps/controller/src/composition/exposures.js';
import { boardOf, deliveryOf, evidenceOf, NotedEvaluators, storeOf, type Looks, type Outside } from './ports.js';
import type { OpenTasks } from './tasks.js';
import type { Life } from './turns.js';

/** As in the task loop of the product. */
const LEASE_MS = 5_000;
const PAGE = 2_000;

/** The parts of a controller that a planted fault may replace. */
export type Parts = {
  readonly process: ProcessManager;
  readonly store: (store: EventStore) => EventStore;
  readonly runner: (store: EventStore, clock: Clock, ids: Ids) => CommandRunner;
  readonly evaluator: (evidence: Evidence, onTrial: OnTrial) => Evaluator;
  readonly driver: (clock: Clock, platform: MemoryPlatform) => MemoryDriver;
  readonly counted: (...over: ConstructorParameters<typeof MemoryCountedIntake>) => CountedIntake;
  readonly conduct: (run: (task: ClaimedTask) => Promise<Disposition>, view: LiveView) => Handler;
  readonly deliver: (deliverer: { run: Handler }, view: LiveView, delivery: Delivery) => Handler;
};
type Handler = (task: ClaimedTask) => Promise<Disposition>;

/** The parts as they are. */
export const SOUND: Parts = {
  process: conductorProcess,
  store: (store) => store,
  runner: (store, clock, ids) => new CommandRunner(store, clock, ids),
  evaluator: (evidence, onTrial) => new Evaluator(evidence, onTrial),
  driver: (clock, platform) => new MemoryDriver(clock, platform),
  counted: (...over) => new MemoryCountedIntake(...over),
  conduct: (run) => run,
  deliver: (deliverer) => (task) => deliverer.run(task),
};

/** A clock that is wrong by so much. */
export class WrongClock extends Clock {
  constructor(
    private readonly right: Clock,
    private readonly offset: () => number,
  ) {
    super();
  }

  now(): number {
    return this.right.now() + this.offset();
  }
}

export type Shared = Outside & {
  readonly platform: MemoryPlatform;
  readonly tasks: OpenTasks;
  readonly rows: MemoryEvidenceStore['rows'];
  readonly processes: ProcessStore;
  readonly chance: () => number;
};

/** One life of a controller: everything it knows is gone when it is killed. */
export class Controller {
  readonly view = new LiveView();
  readonly life: Life;
  readonly clock: Clock;
  readonly runner: CommandRunner;
  readonly conductor: Conductor;
  readonly driver: MemoryDriver;
  readonly exposures: FleetExposures;
  /** The way in for metrics. */
  readonly receiver: OtlpReceiver;
  readonly start: StartRolloutHandler;
  readonly undo: UndoRevisionHandler;
  readonly steer: SteerRolloutHandler;
  readonly abandon: AbandonTargetHandler;
  isDeaf = false;
  readonly #shared: Shared;
  readonly #store: EventStore;
  readonly #process: ProcessManager;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #running = new Map<string, Promise<void>>();
  readonly #bornAt: number;
  readonly #busyWith = new Set<string>();

  constructor(name: string, shared: Shared, parts: Parts, offset: () => number) {
    this.#shared = shared;
    this.life = { name, isAlive: true };
    this.clock = new WrongClock(shared.clock, offset);
    const looks: Looks = { subjects: new Map(), newest: new Map() };
    this.#process = parts.process;
    this.#store = parts.store(storeOf(this.life, looks, shared));
    this.runner = parts.runner(this.#store, this.clock, new CountedIds(name));
    this.view.onEvent((event) => this.runner.notice(event));
    const evidence = evidenceOf(this.life, looks, shared);
    this.driver = parts.driver(this.clock, shared.platform);
    const delivery = deliveryOf(this.life, this.driver, shared);
    const board = boardOf(this.life, shared);
    const sources = { evidence, delivery, board };
    const onTrial: OnTrial = (...which) => this.view.fleet.onTrial(...which);
    const evaluator = new NotedEvaluators(evidence, onTrial, looks, shared.witness, parts.evaluator);
    this.conductor = new Conductor(this.runner, this.view, evaluator, sources);
    const deliverer = new Deliverer(this.runner, this.view, delivery);
    this.#handlers = {
      [CONDUCT]: parts.conduct((task) => this.conductor.run(task), this.view),
      [DELIVER]: parts.deliver({ run: (task) => deliverer.run(task) }, this.view, delivery),
    };
    this.exposures = new FleetExposures(this.view);
    this.receiver = new OtlpReceiver({
      sources: new FleetSignalSources(this.view),
      exposures: this.exposures,
      counted: parts.counted(shared.rows, this.exposures),
      outcomes: new MemoryIntake(shared.rows, this.exposures),
      // Exporters wait for a controller that has read so far.
      knowGeneration: async () => undefined,
    });
    this.start = new StartRolloutHandler(this.runner, this.view, delivery);
    this.undo = new UndoRevisionHandler(this.runner, this.view, delivery);
    this.steer = new SteerRolloutHandler(this.runner, this.view, this.conductor);
    this.abandon = new AbandonTargetHandler(this.runner, this.conductor);
    this.#bornAt = shared.witness.head;
  }

  /** It does nothing before it knows what was in the log when it started. */
  get isUp(): boolean {
    return this.view.position >= this.#bornAt;
  }

  get isAtWork(): boolean {
    return this.#running.size > 0;
  }

  /** Begins whatever there is to do now; true when it begins anything. */
  begin(): boolean {
    const { witness, tasks, clock } = this.#shared;
    let begun = false;
    if (!this.isDeaf && this.view.position < witness.head) begun = this.#once('follow', () => this.#follow());
    if (!this.isUp || this.isDeaf) return begun;
    if (tasks.reactedTo < witness.head) begun = this.#once('react', () => this.#react()) || begun;
    if (this.#running.size < AT_ONCE && tasks.isAnyDue(clock.now()))
      begun = this.#once('claim', () => this.#claim()) || begun;
    return begun;
  }

  /** One at a time of each kind of work that is no task. */
  #once(what: string, work: () => Promise<void>): boolean {
    if (this.#busyWith.has(what)) return false;
    this.#busyWith.add(what);
    work()
      .catch(() => undefined)
      .finally(() => this.#busyWith.delete(what));
    return true;
  }

  async #follow(): Promise<void> {
    const events = await this.#store.readAll({ after: this.view.position, limit: PAGE });
    for (const event of events) this.view.apply(event);
  }

  async #react(): Promise<void> {
    const { turns, tasks, processes } = this.#shared;
    await turns.act(this.life, 'react', async () => {
      const moved = await processes.step(this.#process, PAGE);
      if (moved.kind === 'moved') tasks.reactedTo = moved.position;
    });
  }

  async #claim(): Promise<void> {
    const { turns, tasks, chance } = this.#shared;
    const limit = 1 + Math.floor(chance() * (AT_ONCE - this.#running.size));
    const claimed = await turns.act(this.life, 'claim', () =>
      tasks.claim(Object.keys(this.#handlers), limit, LEASE_MS),
    );
    for (const task of claimed) this.#run(task);
  }

  /** One task is never done twice at once in one controller; what is claimed again waits for the first time to end. */
  #run(task: ClaimedTask): void {
    const before = this.#running.get(task.id) ?? Promise.resolve();
    const running = before.then(() => this.#handle(task));
    this.#running.set(task.id, running);
    const over = (): void => {
      if (this.#running.get(task.id) === running) this.#running.delete(task.id);
    };
    running.then(over, over);
  }

  async #handle(task: ClaimedTask): Promise<void> {
    const { turns, tasks, clock, witness } = this.#shared;
    const disposition = await this.#outcomeOf(task);
    await turns.act(this.life, 'give back', async () => {
      // The queue takes a time as so much from now by the caller's clock.
      const isOurs =
        disposition.kind === 'done'
          ? await tasks.complete(task)
          : await tasks.reschedule(task, disposition.atMs - this.clock.now() + clock.now(), disposition.fresh);
      if (!isOurs) witness.comes('task: another one holds it by now');
    });
  }

  async #outcomeOf(task: ClaimedTask): Promise<Disposition> {
    try {
      const handler = this.#handlers[task.kind];
      if (!handler) throw new Error(`Task ${task.id} has kind ${task.kind}, which nothing handles.`);
      return await handler(task);
    } catch (error) {
      // Where it came from is worked out, at some cost, only for what nobody has planned.
      const message = error instanceof Error ? error.message : String(error);
      const told = (): string => (error instanceof Error ? (error.stack ?? message) : message);
      if (!/database is away|met other writers/.test(message))
        this.#shared.witness.faults.push(`task ${task.id} failed: ${told()}`);
      const atMs = this.clock.now() + Math.min(1_000 * 2 ** Math.min(task.attempts, 5), 5_000);
      return { kind: 'again', atMs, fresh: false };
    }
  }
}
