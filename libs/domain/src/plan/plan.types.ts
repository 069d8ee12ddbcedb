import type { SignalType } from '../gate/index.js';
/** A margin, or that no proof is asked for. */
export type Tolerate = number | 'none';

/** A plan as its manifest says it, defaults filled in; times in ms, shares in basis points. */
export type PlanSpec = {
  readonly alpha: number;
  readonly holdback: number;
  readonly holdbackReason?: string | undefined;
  readonly watch: number;
  readonly drain: number;
  readonly grace: number;
  readonly rollbackScope?: 'rollout' | 'track' | undefined;
  /** With which share of the known instances stages go on, and after how many ms; default: with all. */
  readonly convergence?: 'all' | { readonly quorum: number; readonly within: number } | undefined;
  readonly acceptBlind?: string | undefined;
  readonly rollbackOrder?: 'blast-radius' | 'plan' | readonly string[] | undefined;
  readonly leftovers?: 'wait' | 'clear' | undefined;
  readonly signals: readonly {
    readonly signal: string;
    readonly harm: number;
    readonly tolerate?: Tolerate | undefined;
    readonly weight: number;
    readonly shadow: boolean;
    readonly missing?: 'hold' | 'roll-back' | 'warn' | undefined;
    readonly grace?: number | undefined;
    readonly onFail?: 'roll-back' | 'hold' | 'warn' | undefined;
    readonly limit?: number | undefined;
  }[];
  readonly tracks: readonly {
    readonly name: string;
    readonly targets: readonly string[] | Readonly<Record<string, string>>;
    readonly after?: string | undefined;
    readonly parity?:
      | readonly { readonly signal: string; readonly between: readonly [string, string]; readonly within: number }[]
      | undefined;
    readonly stages: readonly {
      readonly exposure: number;
      readonly bake: number;
      readonly activation: number;
      readonly samples: number;
      readonly tolerate: Readonly<Record<string, Tolerate>>;
    }[];
  }[];
};

export type KnownTarget = {
  readonly target: string;
  readonly platform: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly models: readonly string[];
};
/** A signal as it was registered; what is left out has the default of the gate. */
export type KnownSignal = {
  readonly signal: string;
  readonly type: SignalType;
  readonly title: string;
  readonly frequent?: boolean | undefined;
  readonly worse?: 'higher' | 'lower' | undefined;
  readonly range?: readonly [number, number] | undefined;
  readonly unit?: string | undefined;
  /** How long after the request an outcome may become known, in ms; default: with the request. */
  readonly delay?: number | undefined;
  /** What counts it, where it does not come as outcomes. */
  readonly source?: { readonly type: string } | undefined;
};
