import type { ClaimedTask, JsonObject } from '#libs/kernel';
import { renderRuleset, rolloutDecider, rolloutStream, type FleetTarget } from '#libs/domain';
import { automation } from '../commands/context.js';
import type { CommandRunner } from '../commands/runner.js';
import type { ApplyOutcome, Delivery, Undelivered } from '../ports.js';
import type { LiveView } from '../queries/live-view.js';
import type { Disposition, Log } from './task-loop.js';

const RETRY_FIRST_MS = 200;
const RETRY_MOST_MS = 30_000;
/** What was accepted is looked at again at least so often. */
const PENDING_MOST_MS = 2_000;

/** Where deliveries failed before, so many at once: a platform that hangs leaves the others their room. */
const MOST_FAILING = 32;
const FULL_MS = 500;

/** Doubles from 200 ms to 30 s; a rollback is never given up. */
const backOff = (attempts: number): number => Math.min(RETRY_MOST_MS, RETRY_FIRST_MS * 2 ** Math.min(attempts, 10));

const errorOf = (outcome: ApplyOutcome): string => ('message' in outcome ? outcome.message : outcome.kind);

/** The whole folded ruleset of a target, as the log desires it now. */
export const rulesetOf = (view: LiveView, target: FleetTarget): JsonObject =>
  renderRuleset({
    target: target.target,
    generation: target.generation,
    configs: view.fleet.desired(target.target).map((desired) => {
      const revisions = desired.candidate === null ? [desired.control] : [desired.control, desired.candidate];
      const values = Object.fromEntries(
        revisions.map((revision) => [revision, view.fleet.valueOf(desired.config, revision) ?? {}]),
      );
      return { ...desired, values };
    }),
  });

/** What passes by itself, such as a limit of calls, is told of only when it has lasted for so many tries. */
const MANY_TRIES = 4;

type Delivered = { readonly retryAfterMs: number | null } | undefined;

/** Who is told of targets to which nothing can be delivered: readers, and once each the log. */
export type Told = { readonly undelivered: Undelivered; readonly log: Log };

/** Delivers rulesets. A newer generation satisfies an older task, so a late task finds its work done. */
export class Deliverer {
  readonly #runner: CommandRunner;
  readonly #view: LiveView;
  readonly #delivery: Delivery;
  readonly #told: Told | undefined;
  /** Target → the generation that was last delivered there from here. */
  readonly #done = new Map<string, number>();
  /** Target → the newest generation that is being delivered there from here. */
  readonly #underWay = new Map<string, { readonly generation: number; readonly delivered: Promise<Delivered> }>();
  /** Targets whose last delivery from here failed, and how many of them are being tried now. */
  readonly #failing = new Set<string>();
  #trying = 0;

  /** `told`: default nobody. */
  constructor(runner: CommandRunner, view: LiveView, delivery: Delivery, told?: Told) {
    this.#runner = runner;
    this.#view = view;
    this.#delivery = delivery;
    this.#told = told;
  }

  async run(task: ClaimedTask): Promise<Disposition> {
    if (!this.#failing.has(String(task.payload['target']))) return this.#run(task);
    if (this.#trying >= MOST_FAILING) return { kind: 'again', atMs: this.#runner.now() + FULL_MS, fresh: false };
    this.#trying += 1;
    try {
      return await this.#run(task);
    } finally {
      this.#trying -= 1;
    }
  }

  async #run(task: ClaimedTask): Promise<Disposition> {
    const generation = Number(task.payload['generation']);
    const only = task.payload['target'];
    await this.#view.caughtUpWith(generation);
    const targets = [...this.#view.fleet.targets.values()].filter(
      ({ target, retired }) => !retired && (only === null || target === only),
    );
    // What is done already is not done again; whatever asks for it anew, as a drift does, gave it a generation of its own.
    const open = targets.filter((target) => !this.#isDone(target));
    const failures = await Promise.all(open.map((target) => this.#share(target, task.attempts)));
    await this.#tellArrived(targets.filter((target) => this.#isDone(target)).map(({ target }) => target));
    const failed = failures.find((failure) => failure !== undefined);
    if (failed === undefined) return { kind: 'done' };
    return { kind: 'again', atMs: this.#runner.now() + (failed.retryAfterMs ?? backOff(task.attempts)), fresh: false };
  }

  #isDone({ target, generation }: FleetTarget): boolean {
    return this.#done.get(target) === generation;
  }

  /** Tasks of one generation of a target are served by one delivery of it. */
  #share(target: FleetTarget, attempts: number): Promise<Delivered> {
    const known = this.#underWay.get(target.target);
    if (known?.generation === target.generation) return known.delivered;
    const delivered = this.#deliver(target, attempts);
    const mine = { generation: target.generation, delivered };
    this.#underWay.set(target.target, mine);
    const end = (): void => {
      if (this.#underWay.get(target.target) === mine) this.#underWay.delete(target.target);
    };
    void delivered.then(end, end);
    return delivered;
  }

  async #deliver(target: FleetTarget, attempts: number): Promise<Delivered> {
    const { generation } = target;
    const outcome = await this.#apply(target);
    const done = outcome.kind === 'applied' || (outcome.kind === 'conflict' && outcome.reason === 'superseded');
    // A rollout may still have its drain to end when it has let go of the target.
    const rollouts = this.#view.fleet
      .desired(target.target)
      .flatMap(({ rollout, clearedFor }) => [rollout, clearedFor].filter((id) => id !== null && id !== undefined));
    const pending = outcome.kind === 'in-progress';
    if (!pending) for (const rollout of rollouts) await this.#record(rollout, target.target, generation, outcome, done);
    if (done || pending) this.#failing.delete(target.target);
    else this.#failing.add(target.target);
    if (done) {
      this.#done.set(target.target, generation);
      return undefined;
    }
    if (!pending) await this.#tellFailing(target.target, generation, outcome, attempts);
    if (pending) return { retryAfterMs: Math.min(PENDING_MOST_MS, backOff(attempts)) };
    return { retryAfterMs: outcome.kind === 'throttled' ? outcome.retryAfterMs : null };
  }

  async #tellFailing(target: string, generation: number, outcome: ApplyOutcome, attempts: number): Promise<void> {
    const passes = outcome.kind === 'throttled' || (outcome.kind === 'conflict' && outcome.reason === 'concurrent');
    if (this.#told === undefined || (passes && attempts < MANY_TRIES)) return;
    const { undelivered, log } = this.#told;
    const error = errorOf(outcome);
    const begins = await undelivered.fails(target, { generation, error, since: this.#runner.now() });
    if (begins) log.error(`Nothing can be delivered to target ${target}; trying again all the time.`, { error });
  }

  async #tellArrived(targets: readonly string[]): Promise<void> {
    if (this.#told === undefined) return;
    for (const target of await this.#told.undelivered.arrived(targets))
      this.#told.log.info(`Target ${target} has its newest ruleset again.`);
  }

  async #apply(target: FleetTarget): Promise<ApplyOutcome> {
    try {
      return await this.#delivery.apply(target.target, rulesetOf(this.#view, target), target.generation);
    } catch (error) {
      return { kind: 'unknown', message: error instanceof Error ? error.message : String(error) };
    }
  }

  async #record(
    rollout: string,
    target: string,
    generation: number,
    outcome: ApplyOutcome,
    done: boolean,
  ): Promise<void> {
    const entry = this.#view.rollouts.get(rollout);
    const progress = entry?.rollout.targets[target];
    if (!progress?.wanted || progress.delivered >= progress.wanted.generation) return;
    const context = automation(this.#runner.newId(), this.#view.generationEvent(target));
    await this.#runner.run(done ? 'RecordExposureChanged' : 'RecordExposureFailed', context, async (session) => {
      const stream = rolloutStream(rollout);
      const { state } = await session.load(rolloutDecider, stream);
      session.decide(
        rolloutDecider,
        stream,
        state,
        done
          ? { type: 'RecordExposureChanged', target, generation }
          : {
              type: 'RecordExposureFailed',
              target,
              generation,
              error: errorOf(outcome),
            },
      );
      return { rollout };
    });
  }
}
