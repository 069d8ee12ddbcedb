import { isOnCandidate, isOver, isServed, trackOf, type Desired, type InstanceDraw } from '#libs/domain';
import type { LiveView } from '#libs/application';
import { SignalType } from '#libs/contracts';
import {
  ExposureLookup,
  type Binning,
  type ComparisonLookup,
  type Exposure,
  type ExposureDraw,
  type Running,
  type Trial,
} from '#libs/signals';

const ASCII = /^[\x20-\x7e]*$/;

/** What the intake needs of a plan. */
type Signals = Pick<Exposure, 'assignment' | 'signals' | 'invariants' | 'values' | 'paired' | 'counted'>;
/** And of its tracks. */
type Planned = { readonly signals: Signals; readonly trackOf: ReadonlyMap<string, string> };

const binningOf = (type: SignalType | undefined, range: readonly unknown[] | null): Binning | undefined => {
  if (type === 'distribution') return 'by-size';
  const [low, high] = range ?? [];
  return type === 'mean' && typeof low === 'number' && typeof high === 'number' ? { low, high } : undefined;
};

/** Answers the intake from the folded log: which arm a revision was, and with what share, under which generation. */
export class FleetExposures extends ExposureLookup implements ComparisonLookup {
  readonly #view: LiveView;
  readonly #plans = new Map<string, Planned>();
  readonly #draws = new WeakMap<InstanceDraw, ExposureDraw>();

  constructor(view: LiveView) {
    super();
    this.#view = view;
  }

  find(target: string, config: string, generation: number): Exposure | 'none' | 'unknown-generation' {
    if (generation > this.#view.position) return 'unknown-generation';
    return this.#exposure(this.#view.fleet.exposureAt(target, config, generation), target) ?? 'none';
  }

  newest(target: string): number {
    return this.#view.fleet.targets.get(target)?.generation ?? 0;
  }

  running(target: string): readonly Running[] {
    return this.#view.fleet.desired(target).flatMap((desired) => {
      const exposure = this.#exposure(desired, target);
      return exposure ? [{ ...exposure, config: desired.config }] : [];
    });
  }

  withdrawn(target: string, config: string, revision: number): string | undefined {
    return this.#view.fleet.withdrawn(target, config, revision);
  }

  override leavingSince(rollout: string, target: string): number | undefined {
    const wanted = this.#view.rollouts.get(rollout)?.rollout.targets[target]?.wanted;
    return wanted?.purpose === 'rollback' ? wanted.at : undefined;
  }

  /** Other languages hash other bytes of what is not ASCII: there nothing is told. */
  override coin({ rollout, shareBp }: Exposure, unit: string): 'candidate' | 'control' | undefined {
    return ASCII.test(unit) ? (isOnCandidate(rollout, unit, shareBp) ? 'candidate' : 'control') : undefined;
  }

  knowsTarget(target: string): boolean {
    return this.#view.fleet.targets.has(target);
  }

  knowsModel(target: string, model: string): boolean {
    return this.#view.fleet.targets.get(target)?.models.includes(model) ?? false;
  }

  onlyModel(target: string): string | undefined {
    const models = this.#view.fleet.targets.get(target)?.models ?? [];
    return models.length === 1 ? models[0] : undefined;
  }

  sourceOf(signal: string): string | undefined {
    const source = this.#view.fleet.configs.get(`signal/${signal}`)?.revisions.at(-1)?.value['source'];
    const type = typeof source === 'object' && source !== null && 'type' in source ? source['type'] : undefined;
    return typeof type === 'string' ? type : undefined;
  }

  knowsSignal(signal: string): SignalType | undefined {
    const type = this.#view.fleet.configs.get(`signal/${signal}`)?.revisions.at(-1)?.value['type'];
    return SignalType.options.find((each) => each === type);
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

  trials(config: string, revision: number): readonly Trial[] {
    const claims = this.#view.fleet.configs.get(config)?.claims ?? {};
    return [...new Set(Object.values(claims))].flatMap((id) => {
      const rollout = this.#view.rollouts.get(id)?.rollout;
      if (rollout === undefined || isOver(rollout) || rollout.revision !== revision) return [];
      return [{ rollout: id, startedAt: rollout.startedAt, targets: new Set(Object.keys(rollout.targets)) }];
    });
  }

  #exposure(desired: Desired | undefined, target: string): Exposure | undefined {
    if (!desired || desired.rollout === null || desired.candidate === null || desired.shareBp === 0) return undefined;
    // Nobody looks at a rollout that is over; what it counted would pile up for as long as its revision is live.
    const running = this.#view.rollouts.get(desired.rollout);
    if (running && isOver(running.rollout)) return undefined;
    const plan = this.#planOf(desired.rollout);
    if (!plan) return undefined;
    const { rollout, candidate, control, shareBp } = desired;
    const entered = running && trackOf(running.rollout, plan.trackOf.get(target) ?? '').enteredAt;
    const draw = this.#drawOf(desired);
    return { rollout, candidate, control, shareBp, draw, startedAt: entered?.[0] ?? 0, ...plan.signals };
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

  #planOf(rollout: string): Planned | undefined {
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
    const signals: Signals = {
      assignment: facts.assignment,
      signals: named('rate'),
      invariants: named('invariant'),
      values: new Map(values),
      paired: named('paired'),
      counted: new Map(counted.map(({ signal, type, range }) => [signal, binningOf(type, range) ?? null])),
    };
    const tracks = facts.plan.tracks.flatMap(({ name, targets }) =>
      targets.map(({ target }) => [target, name] as const),
    );
    const plan = { signals, trackOf: new Map(tracks) };
    this.#plans.set(rollout, plan);
    return plan;
  }
}
