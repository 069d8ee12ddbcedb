import {
  rolloutDecider,
  trackOf,
  type Facts,
  type Recorded,
  type ResolvedPlan,
  type Rollout,
  type RolloutCommand,
  type RolloutEvent,
  type RolloutState,
} from '#libs/domain';
import { factsOf, type Shortcomings } from './facts.js';
import { aPlan } from './plans.js';
import { T0 } from './specification.js';

export const ROLLOUT = 'ro-1';

const running = (state: RolloutState): Rollout => {
  if (state.status === 'none') throw new Error('There is no rollout yet: start it first.');
  return state;
};

/** The command that starts revision 2 of `router.context` everywhere, from revision 1. */
export const aStart = (
  plan: ResolvedPlan = aPlan(),
  change: Partial<Extract<RolloutCommand, { type: 'StartRollout' }>> = {},
): Extract<RolloutCommand, { type: 'StartRollout' }> => ({
  type: 'StartRollout',
  rollout: ROLLOUT,
  config: 'router.context',
  revision: 2,
  assignment: 'unit',
  plan,
  controls: Object.fromEntries(plan.tracks.flatMap(({ targets }) => targets.map(({ target }) => [target, 1]))),
  vetoReason: null,
  ...change,
});

/** A rollout that is led step by step, as the log would hold it: each event with its position and time. */
export class RolloutStory {
  readonly #events: Recorded<RolloutEvent>[] = [];
  #state: RolloutState = rolloutDecider.initial;
  #now = T0;
  #position = 0;

  constructor(plan: ResolvedPlan = aPlan(), change: Parameters<typeof aStart>[1] = {}) {
    this.does(aStart(plan, change));
  }

  get rollout(): Rollout {
    return running(this.#state);
  }

  get events(): readonly Recorded<RolloutEvent>[] {
    return [...this.#events];
  }

  get now(): number {
    return this.#now;
  }

  /** Lets time go by. */
  waits(ms: number): this {
    this.#now += ms;
    return this;
  }

  /** Other streams write as well: positions go on. */
  positionsGoOn(by: number): this {
    this.#position += by;
    return this;
  }

  /** Decides and records; throws when the command is rejected. Returns the events. */
  decides(command: RolloutCommand): readonly RolloutEvent[] {
    const decision = rolloutDecider.decide(this.#state, command);
    if (!decision.accepted) throw new Error(`${command.type} was rejected: ${decision.rejection.message}`);
    for (const event of decision.events) {
      this.#position += 1;
      const recorded: Recorded<RolloutEvent> = { ...event, position: this.#position, at: this.#now };
      this.#events.push(recorded);
      this.#state = rolloutDecider.evolve(this.#state, recorded);
    }
    return decision.events;
  }

  does(command: RolloutCommand): this {
    this.decides(command);
    return this;
  }

  facts(missing: Shortcomings = {}): Facts {
    return factsOf(this.rollout, this.#now, missing);
  }

  /** Takes one look. */
  looks(missing: Shortcomings = {}): this {
    return this.does({ type: 'AssessRollout', at: this.#now, facts: this.facts(missing) });
  }

  /** Every target, or the named ones, serve what is wanted of them. */
  delivers(...targets: readonly string[]): this {
    for (const [target, { wanted, delivered }] of Object.entries(this.rollout.targets)) {
      if (!wanted || delivered >= wanted.generation || (targets.length > 0 && !targets.includes(target))) continue;
      this.does({ type: 'RecordExposureChanged', target, generation: wanted.generation });
    }
    return this;
  }

  /** Delivers and looks with nothing missing until the condition holds; throws when it never does. */
  untilThat(condition: (rollout: Rollout) => boolean, missing: Shortcomings = {}): this {
    for (let step = 0; step < 200; step += 1) {
      if (condition(this.rollout)) return this;
      this.delivers().waits(1_000).looks(missing);
    }
    throw new Error(`The rollout is still ${this.rollout.status} after 200 looks.`);
  }

  /** Delivers and converges what is wanted, and records what is seen, without going on. */
  arrives(missing: Shortcomings = {}): this {
    const stages = Object.fromEntries(Object.keys(this.rollout.tracks).map((track) => [track, { bakedMs: 0 }]));
    return this.delivers().looks({ watch: { bakedMs: 0 }, stages, ...missing });
  }

  /** Goes on until the track is in the stage. */
  reaches(track: string, stage: string): this {
    return this.untilThat((rollout) => {
      const stages = rollout.plan.tracks.find(({ name }) => name === track)?.stages ?? [];
      return stages[trackOf(rollout, track).stage]?.name === stage;
    });
  }

  reachesStatus(status: Rollout['status']): this {
    return this.untilThat((rollout) => rollout.status === status);
  }

  aborts(reason = 'it was a mistake'): this {
    return this.does({ type: 'AbortRollout', reason });
  }
}

/** A rollout that has just started: api in 1%, bedrock waiting for api/50%. */
export const aRollout = (plan?: ResolvedPlan, change?: Parameters<typeof aStart>[1]): RolloutStory =>
  new RolloutStory(plan, change);
