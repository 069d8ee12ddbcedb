import { isOver, isServed, type Desired, type InstanceDraw } from '#libs/domain';
import type { LiveView } from '#libs/application';
import { SignalType } from '#libs/contracts';
import { ExposureLookup, type Binning, type Exposure, type ExposureDraw } from '#libs/signals';

/** What the intake needs of a plan. */
type Signals = Pick<Exposure, 'assignment' | 'signals' | 'invariants' | 'values' | 'paired' | 'counted'>;

const binningOf = (type: SignalType | undefined, range: readonly unknown[] | null): Binning | undefined => {
  if (type === 'distribution') return 'by-size';
  const [low, high] = range ?? [];
  return type === 'mean' && typeof low === 'number' && typeof high === 'number' ? { low, high } : undefined;
};

/** Answers the intake from the folded log: which arm a revision was, and with what share, under which generation. */
export class FleetExposures extends ExposureLookup {
  readonly #view: LiveView;
  readonly #plans = new Map<string, Signals>();
  readonly #draws = new WeakMap<InstanceDraw, ExposureDraw>();

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
    return { rollout, candidate, control, shareBp, draw: this.#drawOf(desired), ...plan };
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

  knowsSignal(signal: string): SignalType | undefined {
    return SignalType.safeParse(this.#view.fleet.configs.get(`signal/${signal}`)?.revisions.at(-1)?.value['type']).data;
  }

  binningOf(signal: string): Binning | undefined {
    const type = this.knowsSignal(signal);
    const range = this.#view.fleet.configs.get(`signal/${signal}`)?.revisions.at(-1)?.value['range'];
    return binningOf(type, Array.isArray(range) ? range : null);
  }

  knowsRevision(config: string, revision: number): boolean {
    const known = this.#view.fleet.configs.get(config);
    return known !== undefined && isServed(known.kind) && revision <= known.revisions.length;
  }

  /** The sets are made once for each draw. */
  #drawOf({ instances, kept }: Desired): ExposureDraw | null {
    if (instances === null) return null;
    const known = this.#draws.get(instances);
    if (known) return known;
    const { candidate, control } = instances;
    const draw = { candidate: new Set(candidate), control: new Set(control), kept: new Set(kept) };
    this.#draws.set(instances, draw);
    return draw;
  }

  #planOf(rollout: string): Signals | undefined {
    const known = this.#plans.get(rollout);
    if (known) return known;
    const facts = this.#view.fleet.rollout(rollout);
    if (!facts) return undefined;
    const outcomes = facts.plan.signals.filter(({ source }) => source === null);
    const named = (type: string): ReadonlySet<string> =>
      new Set(outcomes.filter((signal) => signal.type === type).map(({ signal }) => signal));
    const counted = facts.plan.signals.filter(({ source }) => source !== null);
    const values = outcomes.flatMap(({ signal, type, range }): readonly (readonly [string, Binning])[] => {
      const binning = binningOf(type, range);
      return binning === undefined ? [] : [[signal, binning]];
    });
    const plan = {
      assignment: facts.assignment,
      signals: named('rate'),
      invariants: named('invariant'),
      values: new Map(values),
      paired: named('paired'),
      counted: new Map(counted.map(({ signal, type, range }) => [signal, binningOf(type, range) ?? null])),
    };
    this.#plans.set(rollout, plan);
    return plan;
  }
}
