import type { ClaimedTask } from '#libs/kernel';
import {
  isDone,
  isOver,
  rolloutDecider,
  rolloutStream,
  targetDecider,
  targetStream,
  waitingFor,
  type Facts,
  type Leftover,
  type RecordedVerdict,
  type Rollout,
  type RolloutEvent,
} from '#libs/domain';
import { automation } from '../commands/context.js';
import { letGo } from '../commands/let-go.js';
import type { CommandRunner, Session } from '../commands/runner.js';
import type { Delivery, Evidence, Progress, ProgressBoard } from '../ports.js';
import type { LiveView } from '../queries/live-view.js';
import type { Evaluator } from './evaluator.js';
import { candidateTraffic, gatherFacts } from './facts.js';
import { RecentTraffic } from './recent-traffic.js';
import { targetsKnown } from './targets-known.js';
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
  readonly #traffic: RecentTraffic;
  readonly #noted = new Map<string, { readonly at: number; readonly version: number }>();

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
    this.#traffic = new RecentTraffic(sources.evidence);
  }

  async run(task: ClaimedTask): Promise<Disposition> {
    const id = String(task.payload['rollout']);
    for (let step = 0; step < MOST_STEPS; step += 1) {
      const entry = this.#view.rollouts.get(id);
      if (!entry) break;
      const { rollout, version } = entry;
      if (isDone(rollout)) {
        await this.#evaluator.forget(id);
        this.#noted.delete(id);
        return { kind: 'done' };
      }
      const moved = await this.#assess(rollout, version);
      if (!moved) break;
    }
    return { kind: 'again', atMs: this.#runner.now() + TICK_MS, fresh: true };
  }

  /** The facts of a running rollout as of now, for a person who wants to promote it or to read it. */
  async factsOf(rollout: Rollout): Promise<Facts> {
    const verdicts = Object.values(rollout.verdicts);
    return this.#gather(rollout, verdicts, this.#runner.now());
  }

  /** What the newest assessment found, for the record of a person who ends the rollout now. */
  async lastVerdicts(rollout: string): Promise<readonly RecordedVerdict[]> {
    return (await this.#board.get([rollout])).get(rollout)?.verdicts ?? [];
  }

  /** What was last seen of the candidate on a target since it was asked back, for the record of a person who gives it up. */
  async lastLeftover(rollout: string, target: string): Promise<Leftover | undefined> {
    return (await this.#board.get([rollout])).get(rollout)?.leftovers?.[target];
  }

  /** Requests per second on the candidate of each target lately: what a rollback takes back, and in which order. */
  async onCandidate(rollout: Rollout): Promise<Facts['onCandidate']> {
    return candidateTraffic(rollout, await this.#traffic.perSecond(this.#runner.now()));
  }

  #gather(rollout: Rollout, verdicts: readonly RecordedVerdict[], now: number): Promise<Facts> {
    return gatherFacts(rollout, verdicts, now, {
      evidence: this.#evidence,
      delivery: this.#delivery,
      targets: targetsKnown(this.#view),
      traffic: (at) => this.#traffic.perSecond(at),
      redeliveredBy: ({ id, config, revision }, target) => this.#view.fleet.redeliveredBy(target, config, revision, id),
    });
  }

  async #assess(rollout: Rollout, version: number): Promise<boolean> {
    const now = this.#runner.now();
    const guarded = rollout.status !== 'rolling-back' && !isOver(rollout);
    const verdicts = guarded ? await this.#evaluator.evaluate(rollout, now) : [];
    const facts = await this.#gather(rollout, verdicts, now);
    const cause = this.#view.rollouts.get(rollout.id)?.lastEvent;
    const outcome = await this.#runner.run(
      'AssessRollout',
      automation(this.#runner.newId(), cause),
      async (session) => {
        await this.#decide(session, rollout, now, facts);
        return { rollout: rollout.id };
      },
    );
    if (!outcome.accepted) throw new Error(`Rollout ${rollout.id} could not be assessed: ${outcome.rejection.message}`);
    if (outcome.events.length === 0) {
      await this.#note(rollout, progressOf(rollout, version, facts, now));
      return false;
    }
    await this.#view.caughtUpWith(outcome.lastPosition);
    return true;
  }

  /** At once when the rollout has moved, otherwise now and then: counts go up all the time. */
  async #note({ id }: Rollout, progress: Progress): Promise<void> {
    const { at, version } = progress;
    const before = this.#noted.get(id);
    if (before?.version === version && at - before.at < NOTE_MS) return;
    this.#noted.set(id, { at, version });
    await this.#board.put(id, progress);
  }

  /**
   * Most looks lead to nothing, and then the stream is not read for them: the view that the facts were gathered for is
   * enough to wait for the next one. What is appended is always decided on the stream itself.
   */
  async #decide(session: Session, known: Rollout, at: number, facts: Facts): Promise<void> {
    const stream = rolloutStream(known.id);
    const command = { type: 'AssessRollout', at, facts } as const;
    if (session.decide(rolloutDecider, stream, known, command).length === 0) return;
    const { state } = await session.load(rolloutDecider, stream);
    const events = session.decide(rolloutDecider, stream, state, command);
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

export const progressOf = (rollout: Rollout, version: number, facts: Facts, at: number): Progress => ({
  at,
  version,
  waitingFor: waitingFor(rollout, facts),
  bakedMs: {
    ...Object.fromEntries(Object.entries(facts.stages).map(([track, { bakedMs }]) => [track, bakedMs])),
    '*': facts.watch.bakedMs,
  },
  bakedIn: Object.fromEntries(Object.entries(facts.stages).map(([track, { stage }]) => [track, stage])),
  verdicts: facts.verdicts,
  parity: facts.parity ?? [],
  leftovers: Object.fromEntries(
    Object.entries(facts.targets).flatMap(([target, { leftover }]) => (leftover ? [[target, leftover] as const] : [])),
  ),
  silent: Object.fromEntries(
    Object.entries(facts.targets).flatMap(([target, { silent = [] }]) =>
      silent.length > 0 ? [[target, silent] as const] : [],
    ),
  ),
});
