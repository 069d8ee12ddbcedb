import {
  AbandonTargetCommand,
  AbandonTargetHandler,
  automation,
  CommandRunner,
  CONDUCT,
  conductor as conductorProcess,
  Conductor,
  DELIVER,
  Deliverer,
  Evaluator,
  LiveView,
  SnapshotKeeper,
  StartRolloutCommand,
  StartRolloutHandler,
  SteerRolloutCommand,
  SteerRolloutHandler,
  UndoRevisionCommand,
  UndoRevisionHandler,
  type CommandContext,
  type Disposition,
  type Failing,
  type Outcome,
  type Progress,
  type StartRequest,
  type Steering,
} from '#libs/application';
import {
  eventCodec,
  newestVersion,
  rolloutStream,
  summarise,
  asHeadgateEvent,
  type Desired,
  type HeadgateEvent,
  type InstanceCount,
  type InstanceDraw,
  type InstancePlace,
} from '#libs/domain';
import { MemoryEventStore, MemoryProcessStore, MemoryTaskQueue } from '#libs/event-store';
import type { ClaimedTask, RecordedEvent } from '#libs/kernel';
import {
  CountedIds,
  MemoryDelivery,
  MemoryEvidence,
  MemoryProgressBoard,
  MemorySnapshots,
  MemoryUndelivered,
  SOME_TARGETS,
  VirtualClock,
} from '#libs/testing';

export const CONFIG = 'router.context';
/** Virtual ms between two moments at which anything can happen. */
const TICK_MS = 500;
const MODEL = 'sonnet';
const SIGNALS = ['wrong-pool', 'script-errors'];

/** What is desired where instances are drawn. */
type Drawn = Desired & { readonly rollout: string; readonly candidate: number; readonly instances: InstanceDraw };

/** What one target shows of a rollout. */
type Shown = {
  readonly target: string;
  readonly rollout: string;
  readonly candidate: number;
  readonly control: number;
  readonly shareBp: number;
  readonly isLeaving: boolean;
};

/** Bad requests per request, by signal. */
type Rates = Readonly<Record<string, number>>;

/** How the fleets behave. All of it can change while time goes by. */
export type Fleets = {
  /** Requests per tick on each target. */
  requests: number;
  /** Of a target that has more or fewer of them: how many times as many. */
  busyness: (target: string) => number;
  /** Rates of a revision on a target. */
  rates: (revision: number, target: string) => Rates;
  /** Targets whose outcomes do not arrive. */
  silent: Set<string>;
  /** Targets on which these signals are not measured any more, while outcomes go on. */
  blind: Map<string, readonly string[]>;
  /** Share of the requests that still reach a withdrawn candidate after it was taken back. */
  sticky: number;
  /** Whether they drop what sessions have stuck to when their ruleset says so. */
  obeys: boolean;
  /** Targets on which the invariant is violated, and by which revisions. */
  violating: Set<string>;
  violates: (revision: number) => boolean;
  /** Live instances of a target. */
  instances: (target: string) => readonly string[];
  /** Of a config assigned by instance: how many times as bad as others an instance always is. */
  slowness: (instance: string) => number;
};

/** The log, the queue, the fleets and what is seen of them: shared by any number of controllers. */
export class World {
  readonly clock = new VirtualClock();
  readonly store = new MemoryEventStore({ codec: eventCodec, clock: this.clock });
  readonly queue = new MemoryTaskQueue(this.clock);
  readonly processes = new MemoryProcessStore({ store: this.store, tasks: this.queue });
  readonly delivery = new MemoryDelivery();
  readonly evidence = new MemoryEvidence();
  readonly snapshots = new MemorySnapshots();
  readonly board = new MemoryProgressBoard<Progress>();
  readonly undelivered = new MemoryUndelivered<Failing>();
  readonly fleets: Fleets = {
    requests: 2_000,
    busyness: () => 1,
    rates: () => ({ 'script-errors': 0.01 }),
    silent: new Set(),
    blind: new Map(),
    sticky: 0,
    obeys: true,
    violating: new Set(),
    violates: (revision) => revision > 1,
    instances: () => ['a', 'b', 'c'],
    slowness: () => 1,
  };
  readonly #owed = new Map<string, number>();
  readonly #ids = new CountedIds('event');

  /** Appends events as a person would have caused them, each to its stream. */
  async record(streamId: string, ...events: readonly HeadgateEvent[]): Promise<void> {
    const metadata = {
      actor: { kind: 'person' as const, name: 'ada' },
      commandId: 'setting',
      correlationId: 'setting',
    };
    const occurredAt = new Date(this.clock.now()).toISOString();
    const finished = events.map(({ type, data }) => ({
      type,
      data,
      eventId: this.#ids.next(),
      schemaVersion: newestVersion(type),
      metadata: { ...metadata, occurredAt, precision: 'instant' as const },
    }));
    await this.store.append({ streams: [{ streamId, expectedVersion: 'any', events: finished }] });
  }

  /** Three targets, a config with two revisions, three signals and a plan. */
  async furnish(plan: HeadgateEvent, assignment: 'unit' | 'instance' = 'unit'): Promise<void> {
    for (const { target, platform, labels, models } of SOME_TARGETS) {
      const data = { target, platform, labels: { ...labels }, models: [...models], driver: 'pull', settings: {} };
      await this.record(`target-${target}`, { type: 'TargetRegistered', data });
    }
    await this.record(
      `config-${CONFIG}`,
      configRegistered(CONFIG, 'quality', assignment),
      revisionOf(CONFIG, 1, { pool: 'a' }),
      revisionOf(CONFIG, 2, { pool: 'b' }),
    );
    for (const [name, type] of [
      ['wrong-pool', 'invariant'],
      ['script-errors', 'rate'],
    ] as const) {
      const key = `signal/${name}`;
      await this.record(`config-${key}`, configRegistered(key, 'signal'), revisionOf(key, 1, { type, title: name }));
    }
    await this.record('config-plan/quick', configRegistered('plan/quick', 'plan'), plan);
  }

  async all(): Promise<readonly RecordedEvent[]> {
    return this.store.readAll({ after: 0, limit: 1_000_000 });
  }

  async typesOf(rollout: string): Promise<readonly string[]> {
    return (await this.store.readStream(rolloutStream(rollout))).map(({ type }) => type);
  }

  /** The whole story in sentences, for a failing specification. */
  async story(): Promise<string> {
    return (await this.all()).map((event) => `${event.position} ${summarise(asHeadgateEvent(event))}`).join('\n');
  }

  /** One tick of the fleets: instances take what their target serves, and report what they served. */
  serve(view: LiveView): void {
    for (const { target } of SOME_TARGETS) {
      const generation = this.delivery.serves(target)?.generation ?? 0;
      const seenAt = this.clock.now();
      if (generation > 0)
        this.delivery.acknowledges(
          target,
          this.fleets.instances(target).map((instance) => ({ instance, generation, seenAt, error: null })),
        );
      const exposure = view.fleet.exposureAt(target, CONFIG, generation);
      if (!exposure?.rollout || exposure.candidate === null || this.fleets.silent.has(target)) continue;
      const { rollout, candidate, control, shareBp, instances } = exposure;
      const wanted = view.rollouts.get(rollout)?.rollout.targets[target]?.wanted;
      const isLeaving = wanted?.purpose === 'rollback' && wanted.at <= this.clock.now() - TICK_MS;
      if (instances === null) this.#report({ target, rollout, candidate, control, shareBp, isLeaving });
      else this.#reportDrawn(target, { ...exposure, rollout, candidate, instances });
    }
  }

  /** Of a config assigned by instance: each instance serves as many requests, all of them on one revision. */
  #reportDrawn(target: string, exposure: Drawn): void {
    const { rollout, candidate, control, shareBp, kept, instances } = exposure;
    const live = this.fleets.instances(target);
    const requests = Math.floor(this.fleets.requests / live.length);
    const placeOf = (name: string): InstancePlace => {
      if (kept.includes(name)) return 'kept';
      if (instances.candidate.includes(name)) return 'chosen';
      return instances.control.includes(name) ? 'spared' : 'late';
    };
    const served = live.map((name): InstanceCount => {
      const place = placeOf(name);
      const revision = place === 'chosen' || place === 'kept' ? candidate : control;
      const rate = (this.fleets.rates(revision, target)['script-errors'] ?? 0) * this.fleets.slowness(name);
      return [name, place, requests, this.#whole(`${rollout} ${target} ${name}`, requests * rate)];
    });
    const onCandidate = served.filter(([, place]) => place === 'chosen' || place === 'kept');
    const badOf = (counts: readonly InstanceCount[]): number => counts.reduce((sum, [, , , bad]) => sum + bad, 0);
    this.evidence.serve({
      rollout,
      candidate: { config: CONFIG, revision: candidate },
      target,
      model: MODEL,
      shareBp,
      candidateRequests: requests * onCandidate.length,
      controlRequests: requests * (live.length - onCandidate.length),
      bad: { 'script-errors': { candidate: badOf(onCandidate), control: badOf(served) - badOf(onCandidate) } },
      draw: {
        drawn: instances.candidate.length - kept.length + instances.control.length,
        served: { 'script-errors': served },
      },
      at: this.clock.now(),
      ms: TICK_MS,
    });
  }

  #stickyOn(target: string): number {
    const flags = this.delivery.serves(target)?.ruleset['flags'];
    const isDropped = JSON.stringify(flags ?? {}).includes('"stickiness":"drop"');
    return isDropped && this.fleets.obeys ? 0 : this.fleets.sticky;
  }

  #report({ target, rollout, candidate, control, shareBp, isLeaving }: Shown): void {
    const { rates, violating } = this.fleets;
    const share = shareBp === 0 ? this.#stickyOn(target) : shareBp / 10_000;
    const all = this.fleets.requests * this.fleets.busyness(target);
    const candidateRequests = this.#whole(`${rollout} ${target}`, all * share);
    const controlRequests = all - candidateRequests;
    const bad: Record<string, { candidate: number; control: number }> = {};
    for (const signal of ['script-errors']) {
      if (this.fleets.blind.get(target)?.includes(signal) === true) continue;
      bad[signal] = {
        candidate: this.#whole(
          `${rollout} ${target} ${signal} candidate`,
          candidateRequests * (rates(candidate, target)[signal] ?? 0),
        ),
        control: this.#whole(
          `${rollout} ${target} ${signal} control`,
          controlRequests * (rates(control, target)[signal] ?? 0),
        ),
      };
    }
    const at = this.clock.now();
    const requests = { candidateRequests, controlRequests };
    const shown = { config: CONFIG, revision: candidate };
    const missing = this.fleets.blind.get(target);
    const listed = missing && { measured: SIGNALS.filter((signal) => !missing.includes(signal)), missing };
    const measuring = listed ? { signals: listed } : {};
    this.evidence.serve({
      ...measuring,
      rollout,
      candidate: shown,
      target,
      model: MODEL,
      shareBp,
      ...requests,
      bad,
      at,
      ms: TICK_MS,
      isLeaving,
    });
    if (!violating.has(target)) return;
    const violation = { target, model: MODEL, instance: 'a', request: 'rq-1', reporter: 'fleet', at };
    const served = [
      { revision: candidate, requests: candidateRequests },
      { revision: control, requests: controlRequests },
    ].filter((each) => each.requests > 0 && this.fleets.violates(each.revision));
    for (const { revision } of served)
      this.evidence.violate('wrong-pool', violation, { [CONFIG]: revision }, shareBp > 0 ? [rollout] : []);
  }

  /** Whole numbers whose sum follows the rate, without chance. */
  #whole(key: string, amount: number): number {
    const owed = (this.#owed.get(key) ?? 0) + amount;
    const whole = Math.floor(owed + 1e-9);
    this.#owed.set(key, owed - whole);
    return whole;
  }
}

export const configRegistered = (
  key: string,
  kind: 'quality' | 'signal' | 'plan',
  assignment: 'unit' | 'instance' = 'unit',
): HeadgateEvent => ({
  type: 'ConfigRegistered',
  data: { key, kind, assignment: kind === 'quality' ? assignment : null, description: null, schema: null },
});

export const revisionOf = (
  key: string,
  revision: number,
  value: Extract<HeadgateEvent, { type: 'RevisionProposed' }>['data']['value'],
): HeadgateEvent => ({
  type: 'RevisionProposed',
  data: { key, revision, digest: `${key}@${revision}`, value, links: [], baseline: revision === 1 },
});

/** One controller: its own view of the log and its own memory, over the shared world. */
export class Controller {
  readonly view = new LiveView();
  readonly #runner: CommandRunner;
  readonly #conductor: Conductor;
  readonly #deliverer: Deliverer;
  readonly #start: StartRolloutHandler;
  readonly #undo: UndoRevisionHandler;
  readonly #abandon: AbandonTargetHandler;
  readonly #steer: SteerRolloutHandler;
  #following: Promise<void> = Promise.resolve();
  #commands = 0;

  constructor(
    private readonly world: World,
    private readonly name: string,
  ) {
    const { store, clock, evidence, snapshots, delivery, board } = world;
    this.#runner = new CommandRunner(store, clock, new CountedIds(name));
    const fail = (error: unknown): void => {
      throw error;
    };
    // After each look, so that a controller that comes later always goes on from what another one has folded.
    const keeper = new SnapshotKeeper(snapshots, { onError: fail, writeAfter: 1, bytesPerSecond: Infinity });
    const evaluator = new Evaluator(evidence, (...which) => this.view.fleet.onTrial(...which), keeper);
    this.#conductor = new Conductor(this.#runner, this.view, evaluator, { evidence, delivery, board });
    const log = { info: () => undefined, error: () => undefined };
    this.#deliverer = new Deliverer(this.#runner, this.view, delivery, { undelivered: world.undelivered, log });
    this.#start = new StartRolloutHandler(this.#runner, this.view, delivery);
    this.#undo = new UndoRevisionHandler(this.#runner, this.view, delivery);
    this.#abandon = new AbandonTargetHandler(this.#runner, this.#conductor);
    this.#steer = new SteerRolloutHandler(this.#runner, this.view, this.#conductor);
    store.onCommit(() => this.#follow());
    this.#follow();
  }

  /** Reads on, one reader at a time; events are folded in order. */
  #follow(): void {
    this.#following = this.#following.then(async () => {
      const events = await this.world.store.readAll({ after: this.view.position, limit: 1_000_000 });
      for (const event of events) this.view.apply(event);
    });
  }

  async caughtUp(): Promise<void> {
    await this.#following;
  }

  #person(what: string, reason?: string): CommandContext {
    this.#commands += 1;
    const actor = { kind: 'person' as const, name: 'ada' };
    const context = { ...automation(`${this.name}-${what}-${this.#commands}`), actor };
    return reason === undefined ? context : { ...context, reason };
  }

  async start(request: StartRequest, reason?: string): Promise<Outcome> {
    await this.caughtUp();
    return this.#start.execute(new StartRolloutCommand(request, this.#person('start', reason)));
  }

  /** Takes a revision of the config back: the one that is live, unless it is named. */
  async undo(undo: UndoRevisionCommand['undo'], reason: string, config = CONFIG): Promise<Outcome> {
    await this.caughtUp();
    return this.#undo.execute(new UndoRevisionCommand(config, undo, reason, this.#person('undo', reason)));
  }

  async abandon(rollout: string, target: string, reason: string): Promise<Outcome> {
    return this.#abandon.execute(new AbandonTargetCommand(rollout, target, reason, this.#person('abandon', reason)));
  }

  async steer(rollout: string, how: Steering, reason: string, track: string | null = null): Promise<Outcome> {
    await this.caughtUp();
    const only = { track, stages: null, until: null };
    return this.#steer.execute(new SteerRolloutCommand(rollout, how, reason, only, this.#person(how, reason)));
  }

  async handle(task: ClaimedTask): Promise<Disposition> {
    if (task.kind === DELIVER) return this.#deliverer.run(task);
    if (task.kind === CONDUCT) return this.#conductor.run(task);
    throw new Error(`Task ${task.id} has kind ${task.kind}, which nothing handles.`);
  }
}

/** Runs every task that is due by all of the controllers at once, as if each had lost its lease to the others. */
const work = async (world: World, controllers: readonly Controller[]): Promise<void> => {
  for (;;) {
    const moved = await world.processes.step(conductorProcess, 1_000);
    const tasks = await world.queue.claim([DELIVER, CONDUCT], 16, 30_000);
    if (tasks.length === 0 && (moved.kind === 'busy' || moved.events === 0)) return;
    await Promise.all(
      tasks.map(async (task) => {
        const [disposition] = await Promise.all(controllers.map(async (controller) => controller.handle(task)));
        if (disposition === undefined) throw new Error('No controller handled the task.');
        if (disposition.kind === 'done') await world.queue.complete(task);
        else await world.queue.reschedule(task, Math.max(disposition.atMs, world.clock.now() + 1), disposition.fresh);
      }),
    );
  }
};

export type Rhythm = {
  /** Called before each tick. */
  readonly each?: (tick: number) => void | Promise<void>;
  /** Virtual ms after which a condition that never comes is given up. Default one hour. */
  readonly mostMs?: number;
  /** Virtual ms between two ticks, for long times in which little happens. Default half a second. */
  readonly tickMs?: number;
};

/** Lets virtual time go by until the condition holds; throws the story so far when it never does. */
export const runUntil = async (
  world: World,
  controllers: readonly Controller[],
  condition: () => boolean | Promise<boolean>,
  { each, mostMs = 3_600_000, tickMs = TICK_MS }: Rhythm = {},
): Promise<void> => {
  const [first] = controllers;
  if (!first) throw new Error('Give at least one controller.');
  const end = world.clock.now() + mostMs;
  for (let tick = 0; world.clock.now() < end; tick += 1) {
    await each?.(tick);
    for (const controller of controllers) await controller.caughtUp();
    await work(world, controllers);
    if (await condition()) return;
    world.clock.advance(tickMs);
    world.serve(first.view);
  }
  throw new Error(`It did not happen in ${mostMs / 1000} virtual seconds:\n${await world.story()}`);
};
