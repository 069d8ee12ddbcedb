import type { ClaimedTask, JsonObject } from '#libs/kernel';
import {
  isOver,
  rolloutDecider,
  rolloutStream,
  targetDecider,
  targetStream,
  waitingFor,
  type Facts,
  type Rollout,
  type RolloutEvent,
} from '#libs/domain';
import { automation } from '../commands/context.js';
import { letGo } from '../commands/let-go.js';
import type { CommandRunner, Session } from '../commands/runner.js';
import type { Delivery, Evidence, ProgressBoard } from '../ports.js';
import type { LiveView } from '../queries/live-view.js';
import type { Evaluator } from './evaluator.js';
import { gatherFacts } from './facts.js';
import type { Disposition } from './task-loop.js';

/** Time between two looks at a rollout when nothing wakes it earlier. */
const TICK_MS = 500;
/** Time between two notes for readers on one rollout. */
const NOTE_MS = 1_000;
/** Steps taken in one go before others get their turn. */
const MOST_STEPS = 12;

/** Leads one rollout: takes a look, decides, records, and comes back until it is over. */
export class Conductor {
  readonly #runner: CommandRunner;
  readonly #view: LiveView;
  readonly #evaluator: Evaluator;
  readonly #evidence: Evidence;
  readonly #delivery: Delivery;
  readonly #board: ProgressBoard;
  readonly #notedAt = new Map<string, number>();

  constructor(
    runner: CommandRunner,
    view: LiveView,
    evaluator: Evaluator,
    sources: { readonly evidence: Evidence; readonly delivery: Delivery; readonly board: ProgressBoard },
  ) {
    this.#runner = runner;
    this.#view = view;
    this.#evaluator = evaluator;
    this.#evidence = sources.evidence;
    this.#delivery = sources.delivery;
    this.#board = sources.board;
  }

  async run(task: ClaimedTask): Promise<Disposition> {
    const id = String(task.payload['rollout']);
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const rollout = this.#view.rollouts.get(id)?.rollout;
      if (!rollout) return { kind: 'again', atMs: this.#runner.now() + TICK_MS, fresh: true };
      if (isOver(rollout)) {
        this.#evaluator.forget(id);
        this.#notedAt.delete(id);
        return { kind: 'done' };
      }
      const moved = await this.#assess(rollout);
      if (!moved) break;
    }
    return { kind: 'again', atMs: this.#runner.now() + TICK_MS, fresh: true };
  }

  /** The facts of a running rollout as of now, for a person who wants to promote it or to read it. */
  async factsOf(rollout: Rollout): Promise<Facts> {
    const verdicts = Object.values(rollout.verdicts);
    return gatherFacts(rollout, verdicts, this.#runner.now(), { evidence: this.#evidence, delivery: this.#delivery });
  }

  async #assess(rollout: Rollout): Promise<boolean> {
    const now = this.#runner.now();
    const guarded = rollout.status !== 'rolling-back';
    const verdicts = guarded ? await this.#evaluator.evaluate(rollout, now) : [];
    const facts = await gatherFacts(rollout, verdicts, now, { evidence: this.#evidence, delivery: this.#delivery });
    const outcome = await this.#runner.run('AssessRollout', automation(this.#runner.newId()), async (session) => {
      await this.#decide(session, rollout.id, now, facts);
      return { rollout: rollout.id };
    });
    if (!outcome.accepted) throw new Error(`Rollout ${rollout.id} could not be assessed: ${outcome.rejection.message}`);
    if (outcome.events.length === 0) {
      await this.#note(rollout, facts, now);
      return false;
    }
    await this.#view.caughtUpWith(outcome.lastPosition);
    return true;
  }

  async #note(rollout: Rollout, facts: Facts, now: number): Promise<void> {
    if (now - (this.#notedAt.get(rollout.id) ?? 0) < NOTE_MS) return;
    this.#notedAt.set(rollout.id, now);
    await this.#board.put(rollout.id, progressOf(rollout, facts, now));
  }

  async #decide(session: Session, id: string, at: number, facts: Facts): Promise<void> {
    const stream = rolloutStream(id);
    const { state } = await session.load(rolloutDecider, stream);
    const events = session.decide(rolloutDecider, stream, state, { type: 'AssessRollout', at, facts });
    await acknowledge(session, events, facts);
    await letGo(session, state, events, at);
  }
}

/** What every instance of a target has acknowledged is a fact of the target, too. */
const acknowledge = async (session: Session, events: readonly RolloutEvent[], facts: Facts): Promise<void> => {
  for (const event of events) {
    if (event.type !== 'TargetConverged') continue;
    const { target, instances } = event.data;
    const generation = Math.max(event.data.generation, facts.targets[target]?.acknowledgedGeneration ?? 0);
    const { state } = await session.load(targetDecider, targetStream(target));
    session.decide(targetDecider, targetStream(target), state, {
      type: 'RecordAcknowledgement',
      generation,
      instances,
    });
  }
};

const progressOf = (rollout: Rollout, facts: Facts, at: number): Parameters<ProgressBoard['put']>[1] => ({
  at,
  waitingFor: waitingFor(rollout, facts),
  bakedMs: {
    ...Object.fromEntries(Object.entries(facts.stages).map(([track, { bakedMs }]) => [track, bakedMs])),
    '*': facts.watch.bakedMs,
  },
  verdicts: facts.verdicts.map((verdict): JsonObject => ({ ...verdict, counts: { ...verdict.counts } })),
});
