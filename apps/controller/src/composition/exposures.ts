import { isOver, isServed } from '#libs/domain';
import type { LiveView } from '#libs/application';
import { ExposureLookup, type Exposure } from '#libs/signals';

/** Answers the intake from the folded log: which arm a revision was, and with what share, under which generation. */
export class FleetExposures extends ExposureLookup {
  readonly #view: LiveView;
  readonly #plans = new Map<string, Pick<Exposure, 'assignment' | 'signals' | 'invariants'>>();

  constructor(view: LiveView) {
    super();
    this.#view = view;
  }

  find(target: string, config: string, generation: number): Exposure | 'none' | 'unknown-generation' {
    if (generation > this.#view.position) return 'unknown-generation';
    const desired = this.#view.fleet.exposureAt(target, config, generation);
    if (!desired || desired.rollout === null || desired.candidate === null || desired.shareBp === 0) return 'none';
    // Nobody looks at a rollout that is over; what it counted would pile up for as long as its revision is live.
    const running = this.#view.rollouts.get(desired.rollout);
    if (running && isOver(running.rollout)) return 'none';
    const plan = this.#planOf(desired.rollout);
    if (!plan) return 'none';
    const { rollout, candidate, control, shareBp } = desired;
    return { rollout, candidate, control, shareBp, ...plan };
  }

  withdrawn(target: string, config: string, revision: number): string | undefined {
    return this.#view.fleet.withdrawn(target, config, revision);
  }

  knowsTarget(target: string): boolean {
    return this.#view.fleet.targets.has(target);
  }

  knowsModel(target: string, model: string): boolean {
    return this.#view.fleet.targets.get(target)?.models.includes(model) ?? false;
  }

  knowsSignal(signal: string): 'invariant' | 'rate' | undefined {
    const type = this.#view.fleet.configs.get(`signal/${signal}`)?.revisions.at(-1)?.value['type'];
    return type === 'invariant' || type === 'rate' ? type : undefined;
  }

  knowsRevision(config: string, revision: number): boolean {
    const known = this.#view.fleet.configs.get(config);
    return known !== undefined && isServed(known.kind) && revision <= known.revisions.length;
  }

  #planOf(rollout: string): Pick<Exposure, 'assignment' | 'signals' | 'invariants'> | undefined {
    const known = this.#plans.get(rollout);
    if (known) return known;
    const facts = this.#view.fleet.rollout(rollout);
    if (!facts) return undefined;
    const named = (type: string): ReadonlySet<string> =>
      new Set(facts.plan.signals.filter((signal) => signal.type === type).map(({ signal }) => signal));
    const plan = { assignment: facts.assignment, signals: named('rate'), invariants: named('invariant') };
    this.#plans.set(rollout, plan);
    return plan;
  }
}
