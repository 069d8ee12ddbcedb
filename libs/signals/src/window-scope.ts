import type { OutcomeWindow } from '#libs/contracts';
import type { Arm } from './evidence-store.js';
import type { Exposure, ExposureLookup } from './exposure.js';
import type { RolloutFact, UnitSlice } from './facts.js';
import { isHashedUnit } from './hashed-units.js';
import { coinFault, unknownRevision, type Fault } from './place-faults.js';

/** Served by a rollout, under the exposure of its generation. */
export type InRollout = { readonly kind: 'rollout'; readonly arm: Arm; readonly exposure: Exposure };
/** `draining`: a candidate that was taken back is still served. `background`: no rollout of the config ran there. */
export type Placement =
  InRollout | { readonly kind: 'draining'; readonly rollout: string } | { readonly kind: 'background' };
export type Misplaced = Fault & { readonly field: 'config' | 'revision' };

const MINUTE_MS = 60_000;

export const unstorable = (what: string): Fault => ({
  code: 'invalid-characters',
  detail: `The ${what} holds a NUL or half a character: send printable text, such as hexadecimal.`,
});
/** Stands for every signal; no signal can have this name. */
export const EVERY_SIGNAL = '*';
/** Stands for windows that name the signals they measured, whichever these are. */
export const ANY_SIGNAL = '+';

const measuredIn = ({ signals, bad }: OutcomeWindow): ReadonlySet<string> | undefined =>
  signals === undefined ? undefined : new Set([...signals, ...bad.map(({ signal }) => signal)]);

/** One window, with what its revisions mean worked out once. */
export class WindowScope {
  readonly model: string;
  readonly from: number;
  /** End of the window; a clock that runs ahead counts as now. */
  readonly until: number;
  readonly minute: number;
  /** Signals that it measured: those it lists, and those it found bad; undefined: every one. */
  readonly measured: ReadonlySet<string> | undefined;
  /** Rollouts that the placed revisions belong to. */
  readonly rollouts: RolloutFact[] = [];
  /** Signals of which a bad outcome was refused: the window does not tell how often they were bad. */
  readonly refused = new Set<string>();
  /** Signals of which values or pairs count for some rollout. */
  readonly sampled = new Set<string>();
  /** Bad outcomes that were counted, by signal. */
  readonly bad = new Map<string, number>();
  private readonly places = new Map<string, Map<number, Placement | Misplaced>>();
  private readonly slices = new Map<InRollout, Map<string, UnitSlice>>();

  constructor(
    readonly target: string,
    readonly window: OutcomeWindow,
    now: number,
    private readonly lookup: ExposureLookup,
    readonly instance: string,
  ) {
    this.model = window.model;
    this.until = Math.min(Date.parse(window.from) + window.ms, now);
    this.from = this.until - window.ms;
    this.measured = measuredIn(window);
    this.minute = Math.floor(this.until / MINUTE_MS) * MINUTE_MS;
  }

  measures(signal: string): boolean {
    return !this.refused.has(signal) && (this.measured === undefined || this.measured.has(signal));
  }

  /** Whether requests without a targeting key were served on this revision. */
  hasUnassigned(config: string, revision: number): boolean {
    return this.window.arms.some((arm) => arm.config === config && arm.revision === revision && arm.unassigned > 0);
  }

  /** Of the rollouts that these revisions belong to. */
  exposuresOf(revisions: readonly (readonly [config: string, revision: number])[]): readonly Exposure[] {
    return revisions.flatMap(([config, revision]) => {
      const place = this.place(config, revision);
      return 'code' in place || place.kind !== 'rollout' ? [] : [place.exposure];
    });
  }

  /** Why a unit cannot have been on this arm: its key throws the same coin everywhere. */
  coinFault(config: string, { arm, exposure }: InRollout, unit: string): Fault | undefined {
    if (isHashedUnit(unit)) return undefined;
    return coinFault({ config, generation: this.window.generation, arm, exposure, unit }, this.lookup);
  }

  place(config: string, revision: number): Placement | Misplaced {
    const known = this.places.get(config)?.get(revision);
    if (known !== undefined) return known;
    const found = this.lookUp(config, revision);
    innerOf(this.places, config).set(revision, found);
    return found;
  }

  /** What units of this window share there: the same object each time. */
  sliceOf(place: InRollout, signal: string): UnitSlice {
    const known = this.slices.get(place)?.get(signal);
    if (known !== undefined) return known;
    const { target, model, window } = this;
    const { rollout, shareBp } = place.exposure;
    const slice = { rollout, signal, target, model, arm: place.arm, shareBp, generation: window.generation };
    innerOf(this.slices, place).set(signal, slice);
    return slice;
  }

  countBad(signal: string): void {
    this.bad.set(signal, (this.bad.get(signal) ?? 0) + 1);
  }

  private lookUp(config: string, revision: number): Placement | Misplaced {
    const unknown = unknownRevision(config, revision, this.lookup);
    if (unknown !== undefined) return unknown;
    const exposure = this.lookup.find(this.target, config, this.window.generation);
    const arm = typeof exposure === 'object' ? armOf(exposure, revision) : undefined;
    if (typeof exposure === 'object' && arm !== undefined) {
      const other = this.notDrawn(exposure, config, arm);
      if (other !== undefined) return other;
      this.rollouts.push({ rollout: exposure.rollout, config, candidate: exposure.candidate });
      return { kind: 'rollout', arm, exposure };
    }
    const rollout = this.lookup.withdrawn(this.target, config, revision);
    if (rollout !== undefined) {
      this.rollouts.push({ rollout, config, candidate: revision });
      return { kind: 'draining', rollout };
    }
    return typeof exposure === 'object' ? this.mismatch(exposure, config, revision) : { kind: 'background' };
  }

  private mismatch(exposure: Exposure, config: string, revision: number): Misplaced {
    return {
      field: 'revision',
      code: 'arm-mismatch',
      detail: `Under generation ${this.window.generation} ${this.target} serves revision ${exposure.candidate} or ${exposure.control} of ${config}, not ${revision}: report generation and revision of the same ruleset.`,
    };
  }

  /** Of a config assigned by instance: the instance serves the arm that the lot gave it, and no other one. */
  private notDrawn(
    { assignment, draw, candidate, control }: Exposure,
    config: string,
    arm: Arm,
  ): Misplaced | undefined {
    if (assignment !== 'instance') return undefined;
    const drawn = draw === null || draw.candidate.has(this.instance) ? 'candidate' : 'control';
    if (drawn === arm) return undefined;
    const [served, given] = arm === 'candidate' ? [candidate, control] : [control, candidate];
    return {
      field: 'revision',
      code: 'arm-mismatch',
      detail: `${config} is assigned by instance, and under generation ${this.window.generation} instance ${this.instance} serves revision ${given}, not ${served}: evaluate ${config} with the instance's id as targetingKey, and report under the same id.`,
    };
  }
}

const innerOf = <A, B, C>(outer: Map<A, Map<B, C>>, key: A): Map<B, C> => {
  const inner = outer.get(key) ?? new Map<B, C>();
  outer.set(key, inner);
  return inner;
};

const armOf = (exposure: Exposure, revision: number): Arm | undefined => {
  if (revision === exposure.candidate) return 'candidate';
  return revision === exposure.control ? 'control' : undefined;
};
