import { conductTaskId, DELIVER, type Progress, type StoredLook } from '#libs/application';
import { isOver, type Rollout } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import { MemoryPlatform } from '#libs/platforms';
import { SOUND, type Parts } from './controller.js';
import { TARGETS } from './setting.js';
import type { Run } from './steps.js';
import type { Witness } from './witness.js';
import { World } from './world.js';

/** Everything that a run left behind. */
export type History = {
  readonly run: Run;
  readonly events: readonly RecordedEvent[];
  readonly witness: Witness;
  readonly tasks: readonly { readonly id: string; readonly done: boolean }[];
  /** The stored looks of a rollout: those that saw something. */
  readonly looksOf: (rollout: string) => readonly StoredLook[];
  /** Instance → generation that it evaluates with at the end; target → the one that it holds. */
  readonly instances: ReadonlyMap<string, { readonly target: string; readonly generation: number }>;
  readonly targets: ReadonlyMap<string, number>;
  /** What did not come although it had to, by the number of the rule. */
  readonly missed: readonly { readonly rule: number; readonly what: string }[];
};

/** What a planted fault replaces. */
export type Planted = Partial<Parts> & { readonly platform?: () => MemoryPlatform };

/** Short enough that evidence flows all the time; many are longer than any lease and any wait between two tries. */
const TICK_MS = 2_000;
/** Where nothing has happened lately but for evidence that came, of which as much comes in each tick. */
const LONG_TICK_MS = 6_000;
const LONGEST_WAIT = 18;
const LONGEST_QUIET_MS = LONGEST_WAIT * TICK_MS;
/** Longer than any lease, and than two clocks are ever apart. */
const QUIET_MS = 18_000;
const PATIENCE = 36;
/** No plan that is drawn asks for more. */
const LONGEST_BAKE_MS = 15_000;
/** The emergency plan drains for five minutes, three times as long where requests come once a minute, and waits for another one. */
const AFTER_ABORT = [
  ...Array.from({ length: LONGEST_WAIT }, () => TICK_MS),
  ...Array.from({ length: 18 }, () => 60_000),
];

/** Plays a run to the end of everything that it began. The same run gives the same history. */
class Play {
  readonly world: World;
  readonly missed: { readonly rule: number; readonly what: string }[] = [];

  constructor(
    readonly run: Run,
    { platform = () => new MemoryPlatform(), ...parts }: Planted,
  ) {
    this.world = new World(run, { ...SOUND, ...parts }, platform());
  }

  async history(): Promise<History> {
    const { world, run } = this;
    await world.begin();
    for (const step of run.steps) {
      await world.take(step);
      this.#isGuarded();
    }
    if (run.lastDown.length > 0) await this.#healButTheLast();
    world.heal();
    if (await this.#comesToRest()) await this.#nothingIsStuck();
    for (const { id } of this.#open()) world.people.abort(id, world.controllers);
    await this.#goOn(AFTER_ABORT);
    for (const { id, status } of this.#open()) this.#miss(5, `rollout ${id} is still ${status} long after its abort`);
    await this.#finish();
    world.people.learnFromTheLog();
    for (const id of world.people.unanswered) this.#miss(10, `command ${id} was never answered`);
    const { witness, tasks, fleets } = world;
    return {
      run,
      events: witness.events,
      witness,
      tasks: tasks.all,
      looksOf: (rollout) => world.evidence.rows.of(rollout).looks,
      instances: new Map(
        fleets.instances.map(({ name, target, held }) => [name, { target, generation: held?.generation ?? 0 }]),
      ),
      targets: new Map(TARGETS.map(({ target }) => [target, fleets.heldOf(target)?.generation ?? 0])),
      missed: this.missed,
    };
  }

  #miss(rule: number, what: string): void {
    this.missed.push({ rule, what });
  }

  /** As the log has them now, whoever knows. */
  #open(): readonly Rollout[] {
    const rollouts = [...(this.world.view?.rollouts.values() ?? [])].map(({ rollout }) => rollout);
    return rollouts.filter((rollout) => !isOver(rollout));
  }

  /** Whatever happened: a rollout that is under way has a task that leads it, or is about to get it. */
  #isGuarded(): void {
    const { tasks } = this.world;
    for (const { position, type, data } of this.world.witness.events.slice(this.#checked)) {
      if (type === 'RolloutStarted') this.#underWay.set(String(data['rollout']), position);
      if (OVER.has(type)) this.#underWay.delete(String(data['rollout']));
    }
    this.#checked = this.world.witness.events.length;
    for (const [rollout, started] of this.#underWay)
      if (tasks.reactedTo >= started && !tasks.isOpen(conductTaskId(rollout)))
        this.#miss(2, `rollout ${rollout} is under way and no task leads it`);
  }
  #checked = 0;
  readonly #underWay = new Map<string, number>();

  async #goOn(spans: readonly number[]): Promise<void> {
    for (const ms of spans) {
      if (this.#open().length === 0) return;
      await this.#tick(ms);
    }
  }

  async #tick(ms: number): Promise<void> {
    this.world.pass(ms);
    await this.world.settle();
    this.#isGuarded();
  }

  /** What is late finds its work done, and every instance takes the last ruleset. */
  async #finish(): Promise<void> {
    const { world } = this;
    const isAnyLeft = (): boolean => world.tasks.isAnyOpen() || world.turns.isAnyLeft;
    for (let tick = 0, isLast = false; tick < LONGEST_WAIT && !isLast; tick += 1) {
      isLast = !isAnyLeft();
      world.pass(TICK_MS);
      await world.settle();
    }
  }

  /** Until everything is over, or nothing has happened for so long that nothing will. False: it still goes on. */
  async #comesToRest(): Promise<boolean> {
    let quietMs = 0;
    for (let tick = 0; tick < PATIENCE && quietMs < LONGEST_QUIET_MS; tick += 1) {
      const before = this.#progress();
      const isBaking = await this.#isBaking();
      const ms = isBaking ? TICK_MS : Math.min(Math.max(quietMs, TICK_MS), LONG_TICK_MS);
      await this.#tick(ms);
      const isAnyLeft = this.world.turns.isAnyLeft;
      if (this.#open().length === 0 && !isAnyLeft) return true;
      quietMs = this.#progress() === before ? quietMs + ms : 0;
      const waits = this.world.tasks.isAnyOpen(DELIVER) || this.#open().some(comesByTime);
      if (quietMs >= QUIET_MS && !waits && !isAnyLeft && !(await this.#isBaking())) return true;
    }
    return quietMs >= LONGEST_QUIET_MS;
  }

  /** Grows with every event and with every bake: between clocks that are apart a bake may grow slowly. */
  #progress(): number {
    const { evidence, witness } = this.world;
    const bakes = this.#open().flatMap(({ id }) => [...evidence.rows.of(id).bakes.values()]);
    const baked = bakes.map(({ bakedMs }) => Math.min(bakedMs, LONGEST_BAKE_MS));
    return baked.reduce((sum, ms) => sum + ms, witness.head);
  }

  /**
   * Whether anything waits for what grows between looks that are close to each other. Where clocks are apart and metrics
   * come seldom, a bake may stand still for long, and goes on all the same.
   */
  async #isBaking(): Promise<boolean> {
    const notes = await this.world.board.get(this.#open().map(({ id }) => id));
    return [...notes.values()].some(({ waitingFor }) =>
      waitingFor.some((what) => / bake: |watch: |has lasted/.test(what)),
    );
  }

  /** Rule 5: a rollback runs on the targets that answer while others are down. */
  async #healButTheLast(): Promise<void> {
    const { world, run } = this;
    const down: readonly string[] = run.lastDown.map((which) => TARGETS[which % TARGETS.length]?.target ?? '');
    for (const target of down) world.faults.set(target, faultOf(run.luck));
    world.heal(down);
    await world.settle();
    const aborted = this.#open().map(({ id }) => id);
    for (const id of aborted) world.people.abort(id, world.controllers);
    for (let tick = 0; tick < LONGEST_WAIT; tick += 1) {
      await this.#goOn([TICK_MS]);
      if (this.#notYetBack(aborted, down).length === 0) return;
    }
    for (const { rule, what } of this.#notYetBack(aborted, down))
      this.#miss(rule, `${what} while ${down.join(', ')} is down`);
  }

  #notYetBack(
    aborted: readonly string[],
    down: readonly string[],
  ): readonly { readonly rule: number; readonly what: string }[] {
    return this.#open().flatMap(({ id, status, targets }) => {
      if (!aborted.includes(id)) return [];
      if (status !== 'rolling-back') return [{ rule: 2, what: `rollout ${id} was aborted and is ${status}` }];
      const late = Object.entries(targets).filter(
        ([target, { wanted, readBack, ended }]) => wanted && !down.includes(target) && !readBack && ended === null,
      );
      return late.map(([target]) => ({
        rule: 5,
        what: `rollout ${id} is not read back on ${target}, which answers,`,
      }));
    });
  }

  /** After a healthy while everything is over, or waits for what only a person or more evidence can give. */
  async #nothingIsStuck(): Promise<void> {
    const { world } = this;
    for (const rollout of this.#open()) {
      const { id, status, held } = rollout;
      const looked = world.witness.lookedAt.get(id) ?? 0;
      if (world.clock.now() - looked > 10_000 && status !== 'rolling-back')
        this.#miss(2, `nobody has looked at rollout ${id} for ${world.clock.now() - looked} ms`);
      if (held?.by === 'person') continue;
      const progress = (await world.board.get([id])).get(id);
      const what = stuckOn(rollout, progress);
      if (what !== undefined) this.#miss(10, `rollout ${id} is ${status} and stuck: ${what}`);
    }
  }
}

/** A pause that runs out, and a watch, need nothing but time. */
const comesByTime = ({ held, status, plan }: Rollout): boolean =>
  held ? held.until !== null : status === 'watching' && plan.plan !== 'emergency';

const OVER = new Set(['RolledBack', 'RolloutSettled', 'RolloutSuperseded']);

const faultOf = (luck: number) =>
  (['refuses', 'does not answer', 'forgets to answer', 'is slow'] as const)[luck % 4] ?? 'refuses';

/**
 * More evidence may never come, platforms may differ, a single instance cannot be drawn from, and a long plan is not over
 * yet; everything else comes by itself.
 */
const MAY_TAKE_LONG =
  /parity of |no pair measured|activation: |candidate requests that are needed|not yet shown|suspicious|no (request|value) measured|nothing counted by|no signal compares the arms|connect at least two|(timeouts|first-token)(:| is) not measured/;

/** Shown to be bad, and held for it as its plan says: a person has to look. */
const isWorrying = ({ plan, held }: Rollout, { verdicts }: Progress): boolean =>
  held?.by === 'policy' &&
  verdicts.some(
    (verdict) =>
      verdict['verdict'] === 'fail' &&
      plan.signals.some(({ signal, onFail }) => signal === verdict['signal'] && onFail === 'hold'),
  );

const stuckOn = (rollout: Rollout, progress: Progress | undefined): string | undefined => {
  if (rollout.status === 'settling') return 'it settles';
  if (rollout.status === 'rolling-back') return rollout.plan.plan === 'emergency' ? undefined : 'it is taken back';
  if (!progress) return 'nobody has noted how it stands';
  if (isWorrying(rollout, progress)) return undefined;
  const rest = progress.waitingFor.filter((what) => !MAY_TAKE_LONG.test(what));
  const isLong = rollout.plan.plan === 'emergency';
  const stuck = isLong ? rest.filter((what) => !what.includes('watch: ')) : rest;
  if (stuck.length > 0) return stuck.join('; ');
  return progress.waitingFor.length === 0 ? 'it waits for nothing' : undefined;
};

export const play = (run: Run, planted: Planted = {}): Promise<History> => new Play(run, planted).history();
