import type { RateProcess } from '#libs/statistics';
import type { KnownBad } from './late.js';
import type { GroupEvidence, Groups } from './groups.js';
import type { Scaled, Tally } from './tally.js';
import type { CellKey, EvidenceSpec, SignalSpec } from './types.js';
import type { ValueEvidence } from './values.js';

/** Evidence of one signal in one slice. */
export type CellEvidence = {
  readonly key: CellKey;
  /** Those that this slice belongs to. */
  readonly groups: readonly GroupEvidence[];
  /** Null before the first event: most slices of most signals never see one. One, but for distributions. */
  processes: readonly RateProcess[] | null;
  /** Of values; null for other signals and before the first one. */
  values: ValueEvidence | null;
  /** Part of the signal's bound; 0 for slices that were not declared, which draw on the reserve instead. */
  readonly weight: number;
  /** ln 1/(alpha w) for this slice alone. */
  readonly logBound: number;
  /** Bad requests that were counted before, by share; null before the first, and always where the coin is per unit. */
  known: KnownBad | null;
  /** Conditional likelihood of each ratio on the evidence's scale; null before the first event. */
  tally: Tally | null;
  largestShareBp: number;
  touchedAt: number;
  isRaised: boolean;
  logE: number;
  maxLogE: number;
  /** As the last look told; 1 where it told nothing. */
  dispersion: number;
};

/** Evidence of one signal over all slices: half from the stratified headline, the rest from the slices. */
export type SignalEvidence = {
  readonly spec: SignalSpec;
  readonly logBound: number;
  headline: readonly RateProcess[];
  readonly headlineWeight: number;
  readonly cells: Map<string, CellEvidence>;
  touchedAt: number;
  isRaised: boolean;
  /** Merged evidence of headline and declared slices, now and at its highest. */
  logE: number;
  maxLogE: number;
  /** The first look at which the bound was reached; stays, but for signals that a source counts. */
  failedAt: number | null;
  readonly groups: Groups;
};

/** All evidence of one rollout: a fold over its looks. Folding changes it in place; read it, never write it. */
export type RolloutEvidence = Scaled & {
  readonly spec: EvidenceSpec;
  readonly signals: ReadonlyMap<string, SignalEvidence>;
  /** Signals (not shadow) whose bound was reached, in order. */
  readonly failed: string[];
  reserveUsed: number;
  /** The last look folded in; 0 before the first. */
  look: number;
};
