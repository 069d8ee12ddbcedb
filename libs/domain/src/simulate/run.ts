import { alphaOfStart } from '../config/index.js';
import type { RecordedVerdict, Recorded, ResolvedPlan, RolloutEvent } from '../events/index.js';
import type { Violations } from '../gate/index.js';
import { isOver, rolloutDecider, type Rollout, type RolloutCommand, type RolloutState } from '../rollout/index.js';
import {
  foldPools,
  judgedScopes,
  judgeScope,
  poolOf,
  recordedVerdict,
  startPools,
  type EvidencePool,
} from '../verdicts/index.js';
import { TargetDelivery } from './delivery.js';
import { BakeClock, gatherFacts, type LastSeen } from './facts.js';
import type { ScenarioChange, ScenarioSignal, ScenarioTarget } from './scenario.js';
import { RolloutTally } from './tally.js';

/** Steps taken at one moment before the clock goes on. */
const MOST_STEPS = 12;

/** How a signal of a rollout stood at one look. */
export type CoursePoint = {
  readonly at: number;
  readonly logE: number;
  readonly candidateBad: number;
  readonly controlBad: number;
};

/** Violations of an invariant as a rollout's verdict takes them. */
export type ViolationCounter = (
  rollout: Rollout,
  signal: string,
  targets: readonly string[],
  now: number,
) => Violations;

type Parts = {
  readonly id: string;
  readonly change: ScenarioChange;
  readonly revision: number;
  readonly plan: ResolvedPlan;
  readonly controls: Readonly<Record<string, number>>;
  readonly targets: ReadonlyMap<string, ScenarioTarget>;
  readonly signals: ReadonlyMap<string, ScenarioSignal>;
  readonly nextPosition: () => number;
};

/** One rollout on the virtual clock: the decider decides, the gate judges; targets, traffic and harm are simulated. */
export class SimulatedRollout {
  readonly id: string;
  readonly change: ScenarioChange;
  readonly plan: ResolvedPlan;
  readonly revision: number;
  readonly tally: RolloutTally;
  readonly events: Recorded<RolloutEvent>[] = [];
  readonly course = new Map<string, CoursePoint[]>();
  readonly deliveries: ReadonlyMap<string, TargetDelivery>;
  verdicts: readonly RecordedVerdict[] = [];
  readonly lastSeen = new Map<string, LastSeen>();
  /** When an exposure was asked for last. */
  movedAt = 0;
  readonly #parts: Parts;
  readonly #bake = new BakeClock();
  #state: RolloutState = rolloutDecider.initial;
  #pools: readonly EvidencePool[] = [];

  constructor(parts: Parts) {
    this.#parts = parts;
    this.id = parts.id;
    this.change = parts.change;
    this.plan = parts.plan;
    this.revision = parts.revision;
    this.tally = new RolloutTally(parts.change.assignment);
    this.deliveries = new Map(
      Object.keys(parts.controls).flatMap((name) => {
        const target = parts.targets.get(name);
        return target === undefined ? [] : [[name, new TargetDelivery(target)] as const];
      }),
    );
  }

  /** Undefined before the start. */
  get rollout(): Rollout | undefined {
    return this.#state.status === 'none' ? undefined : this.#state;
  }

  get isOpen(): boolean {
    return this.#state.status !== 'none' && !isOver(this.#state);
  }

  /** Evidence counts until the rollout is taken back. */
  get isJudged(): boolean {
    return this.isOpen && this.#state.status !== 'rolling-back';
  }

  start(now: number): void {
    const { id, change, revision, plan, controls } = this.#parts;
    const { config, assignment, vetoReason } = change;
    const command = { type: 'StartRollout', rollout: id, config, revision, assignment, plan, controls } as const;
    this.#decide({ ...command, vetoReason, bypass: null, reverts: null, takesOver: [] }, now);
    if (this.rollout) this.#pools = startPools(this.rollout);
  }

  /** Share of the target's requests that the candidate serves now. */
  shareOn(target: string, now: number): number {
    return this.deliveries.get(target)?.shareAt(now) ?? 0;
  }

  /** Delivers, looks and decides until nothing more happens at this moment. */
  step(now: number, windowMs: number, violations: ViolationCounter): void {
    this.#deliver(now);
    for (let step = 0; step < MOST_STEPS && this.isOpen; step += 1) {
      const rollout = this.rollout;
      if (!rollout) return;
      if (step === 0 || this.isJudged) this.verdicts = this.isJudged ? this.#judge(rollout, now, violations) : [];
      const facts = gatherFacts(this, rollout, this.#bake, { now, windowMs, advance: step === 0 });
      if (this.#decide({ type: 'AssessRollout', at: now, facts }, now) === 0) return;
    }
  }

  #deliver(now: number): void {
    for (const [target, delivery] of this.deliveries) {
      const generation = delivery.takeApplied(now);
      if (generation !== undefined) this.#decide({ type: 'RecordExposureChanged', target, generation }, now);
    }
  }

  #judge(rollout: Rollout, now: number, violations: ViolationCounter): readonly RecordedVerdict[] {
    const look = this.tally.takeLook();
    foldPools(this.#pools, look);
    const judged = judgedScopes(rollout).flatMap((scope) => {
      const pool = poolOf(this.#pools, scope);
      const reached = pool.targets.filter((target) => rollout.targets[target]?.wanted);
      return rollout.plan.signals.flatMap(({ signal, type }) => {
        const known = this.#parts.signals.get(signal);
        if (!known) return [];
        const verdict = judgeScope(pool, scope, signal, {
          counts: this.tally.countsOf(known),
          violations: type === 'invariant' ? violations(rollout, signal, reached, now) : undefined,
        });
        return [recordedVerdict(verdict, scope, { digest: `look ${look.look}`, sentence: verdict.sentence })];
      });
    });
    this.#follow(now);
    return judged;
  }

  #follow(at: number): void {
    for (const { signal } of this.plan.signals) {
      const known = this.#parts.signals.get(signal);
      if (!known) continue;
      const logE = Math.max(...this.#pools.map(({ evidence }) => evidence.signals.get(signal)?.logE ?? 0));
      const counts = this.tally.countsOf(known);
      const candidateBad = counts.reduce((sum, each) => sum + each.candidateBad, 0);
      const controlBad = counts.reduce((sum, each) => sum + each.controlBad, 0);
      const points = this.course.get(signal) ?? [];
      const last = points.at(-1);
      const isNew = last === undefined || last.logE !== logE || last.candidateBad !== candidateBad;
      if (isNew) points.push({ at, logE, candidateBad, controlBad });
      this.course.set(signal, points);
    }
  }

  /** Returns how many events came of it. Throws where a decider refuses what the simulation thought possible. */
  #decide(command: RolloutCommand, now: number): number {
    const decision = rolloutDecider.decide(this.#state, command);
    if (!decision.accepted) {
      throw new Error(`The simulated rollout of ${this.change.change} was refused: ${decision.rejection.message}`);
    }
    for (const event of decision.events) {
      const recorded = { ...event, position: this.#parts.nextPosition(), at: now };
      this.#state = rolloutDecider.evolve(this.#state, recorded);
      this.events.push(recorded);
      if (event.type !== 'ExposureRequested') continue;
      this.deliveries.get(event.data.target)?.ask(recorded.position, event.data.shareBp, now);
      this.movedAt = now;
    }
    return decision.events.length;
  }
}

/** The plan of one start: a restart of a vetoed revision spends from the same alpha. */
export const planOfStart = (plan: ResolvedPlan, earlierRollbacks: number): ResolvedPlan => ({
  ...plan,
  alpha: alphaOfStart(plan.alpha, earlierRollbacks),
});
