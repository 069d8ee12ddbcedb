import type { SignalType } from '#libs/contracts';
import type { Binning } from './bins.js';

/** Where an instance stands in the draw of an exposure. */
export type InstancePlace = 'chosen' | 'spared' | 'kept' | 'late';

/** The draw of an exposure of a config that is assigned by instance. */
export type ExposureDraw = {
  /** Who serves the candidate, and who of them since an earlier exposure of the rollout. */
  readonly candidate: ReadonlySet<string>;
  readonly kept: ReadonlySet<string>;
  /** Who was drawn from and stays on control. */
  readonly control: ReadonlySet<string>;
};

/** What one config of one target was set to under one generation. */
export type Exposure = {
  readonly rollout: string;
  /** Revisions of the two arms. */
  readonly candidate: number;
  readonly control: number;
  /** Share on the candidate in basis points, 0..10000. */
  readonly shareBp: number;
  /** When the rollout first showed its candidate there, epoch ms. */
  readonly startedAt: number;
  /**
   * `unit`: a sticky coin per unit, first bad events count. `request`: a fresh coin per request, each bad one counts.
   * `instance`: whole instances were drawn, and each is counted by itself.
   */
  readonly assignment: 'unit' | 'request' | 'instance';
  /** Null where nothing was drawn: by unit or request, and where every instance serves the same. */
  readonly draw: ExposureDraw | null;
  /** Rate signals of the plan. */
  readonly signals: ReadonlySet<string>;
  /** Invariants of the plan. */
  readonly invariants: ReadonlySet<string>;
  /** Signals of values of the plan, and how their values are put into bins. */
  readonly values: ReadonlyMap<string, Binning>;
  /** Paired signals of the plan. */
  readonly paired: ReadonlySet<string>;
  /** Signals of the plan that a source counts, in none of the sets above; with their bins where they are of values. */
  readonly counted: ReadonlyMap<string, Binning | null>;
};

/** Where an instance stands in a draw; whoever is in none of its lists came after it, and is on control. */
export const placeInDraw = ({ candidate, kept, control }: ExposureDraw, instance: string): InstancePlace => {
  if (kept.has(instance)) return 'kept';
  if (candidate.has(instance)) return 'chosen';
  return control.has(instance) ? 'spared' : 'late';
};

/** How many instances a draw was from: those chosen in it and those left. */
export const sizeOfDraw = ({ candidate, kept, control }: ExposureDraw): number =>
  candidate.size - kept.size + control.size;

/** What runs on a target now. */
export type Running = Exposure & { readonly config: string };

/** What is registered, and what ran where under which generation. Asked for every outcome, so it answers from memory. */
export abstract class ExposureLookup {
  /** `none`: no rollout of this config ran there under that generation. */
  abstract find(target: string, config: string, generation: number): Exposure | 'none' | 'unknown-generation';
  /** The newest generation of a target; 0 for an unknown one. */
  abstract newest(target: string): number;
  /** Rollouts that show their candidate on a target now. */
  abstract running(target: string): readonly Running[];
  /** The rollout whose taken-back candidate this revision is, as long as it is not drained from the target. */
  abstract withdrawn(target: string, config: string, revision: number): string | undefined;
  /** Since when a rollout is being taken back from a target, or was, in epoch ms; undefined where it is not. */
  leavingSince(_rollout: string, _target: string): number | undefined {
    return undefined;
  }
  /** The arm that a unit's coin puts it on, by its key; undefined where that cannot be told. */
  coin(_exposure: Exposure, _unit: string): 'candidate' | 'control' | undefined {
    return undefined;
  }
  abstract knowsTarget(target: string): boolean;
  abstract knowsModel(target: string, model: string): boolean;
  /** The model of a target that serves one only. */
  abstract onlyModel(target: string): string | undefined;
  /** As it is registered now; a rollout that runs may have been started when it was of another type. */
  abstract knowsSignal(signal: string): SignalType | undefined;
  /** The kind of source that counts a signal now; undefined where it comes as outcomes. */
  abstract sourceOf(signal: string): string | undefined;
  /** How values of a signal that is registered now are put into bins; undefined where it has none. */
  abstract binningOf(signal: string): Binning | undefined;
  abstract knowsRevision(config: string, revision: number): boolean;
}
