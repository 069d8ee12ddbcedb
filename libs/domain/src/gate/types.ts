/**
 * `invariant`: should never be seen. The others are guardrails, which may not get worse than the concurrent control.
 * `rate`: bad events. `mean`: values between two limits, such as scores. `distribution`: positive values whose tail
 * matters, such as latencies. `paired`: the same work done on both arms, of which the pairs count that differ.
 */
export type SignalType = 'invariant' | 'rate' | 'mean' | 'distribution' | 'paired';

/** Signals that come as values and not as bad events. */
export const isOfValues = ({ type }: { readonly type: SignalType }): boolean =>
  type === 'mean' || type === 'distribution';

/** What the gate is told about one signal when a rollout starts; it does not change afterwards. */
export type SignalSpec = {
  readonly signal: string;
  readonly type: SignalType;
  /** Of a rate with an assignment by request: bad requests are not rare, so harm is a ratio of odds. Default false. */
  readonly frequent?: boolean | undefined;
  /** Of values: the direction in which they may not go. Default higher. */
  readonly worse?: 'higher' | 'lower' | undefined;
  /** Of values: their unit as sentences name it, such as ms. */
  readonly unit?: string | undefined;
  /** Tolerated ratio of the candidate's rate to the control's before it counts as harm: at least 1, default 1. */
  readonly harm?: number;
  /** Measured and shown, decides nothing, takes no part of alpha. */
  readonly shadow: boolean;
  /** Importance against the other signals: above 0, default 1. */
  readonly weight?: number;
  /** How sentences name it; default the signal's key. */
  readonly title?: string;
  /**
   * What counts it, without units. It is outside the bound: it takes no part of alpha, is weighed by the realised shares
   * and the spread between units as far as that is known, and its `fail` ends when its evidence does. Default: outcomes.
   */
  readonly source?: string | undefined;
  /** Of what a source counts: the worst rate or mean that is borne whatever control does. Default: none. */
  readonly limit?: number | undefined;
};

/** Counted by a source, without units. */
export const isCounted = ({ source }: Pick<SignalSpec, 'source'>): boolean => source !== undefined;

/**
 * `unit`: bad events are first ones per unit and the share is the configured one. `request`: realised shares. `instance`:
 * whole processes were drawn, and one of them is one observation, however many requests it served.
 */
export type GateAssignment = 'unit' | 'request' | 'instance';

/**
 * Where an instance stands in the draw of the exposure that it served: drawn for the candidate, or drawn from and left on
 * control; `kept` on the candidate since an earlier draw; come `late`, after the draw, and on control for that reason.
 */
export type InstancePlace = 'chosen' | 'spared' | 'kept' | 'late';

/** What one instance served: requests and the bad ones among them, or values and their sum (of a distribution: of logarithms). */
export type InstanceCount = readonly [instance: string, place: InstancePlace, count: number, sum: number];

/** One slice of traffic. */
export type CellKey = { readonly target: string; readonly model: string };

/** A slice named when the rollout starts, with its importance (for instance the square root of its traffic). */
export type CellSpec = CellKey & { readonly weight?: number };

/**
 * What arrived for one signal in one slice since the last look, for one share. Events that were served under several
 * generations come as several counts, each with the candidate's share of its own generation.
 */
export type CellCount = {
  readonly signal: string;
  readonly target: string;
  readonly model: string;
  /** Candidate share in basis points of the generation the events were served under: 0..10000. */
  readonly shareBp: number;
  /** `unit`: units on the candidate whose first bad event of this signal in the rollout, on any slice, it was. `request`: bad requests. */
  readonly candidateBad: number;
  readonly controlBad: number;
  /** Requests in this look; needed for `request`, where they give the realised share. */
  readonly candidateRequests?: number;
  readonly controlRequests?: number;
  /**
   * `request`, of bad requests that became known after the look they were served in: all requests of this share up to
   * now, of which they are. There are no requests of the look then.
   */
  readonly candidateServed?: number;
  readonly controlServed?: number;
  /** Of values: each with how often it was seen on either arm, first values of units or all; no bad events then. */
  readonly bins?: readonly (readonly [value: number, candidate: number, control: number])[];
  /** Where instances are drawn: what each of them served, and how many the draw was from. */
  readonly instances?: readonly InstanceCount[];
  readonly drawn?: number;
  /** Of what a source counts: how many times as much control's counts differ between units as they would by chance. */
  readonly dispersion?: number;
};

/** Everything that newly arrived at one evaluation, in order of arrival. Numbers grow; repeated looks change nothing. */
export type Look = { readonly look: number; readonly cells: readonly CellCount[] };

export type EvidenceSpec = {
  /** Chance that a harmless rollout is rolled back by its signals; a restart after a veto gets a share of it. */
  readonly alpha: number;
  readonly assignment: GateAssignment;
  readonly signals: readonly SignalSpec[];
  readonly cells: readonly CellSpec[];
  /** Every `tolerate` that a stage of this rollout will ask for, each above 1. */
  readonly margins: readonly number[];
  /**
   * Groups of targets (null: all) whose margins will be asked for. What was once shown of a group stays shown: the
   * promotion evidence may be read at its highest (Ville). A group that is not named here is judged as it stands.
   */
  readonly groups?: readonly (readonly string[] | null)[];
  /** E-value of a signal from which on it does not pass. Default: 10 over the signal's part of alpha. */
  readonly suspicion?: number | undefined;
};

export type VerdictKind = 'pass' | 'fail' | 'inconclusive' | 'not-measured';

export type GateMethod =
  | 'rate-grid-v1'
  | 'rate-odds-v1'
  | 'invariant-v1'
  | 'mean-bet-v1'
  | 'distribution-bet-v1'
  | 'paired-grid-v1'
  | 'instance-permutation-v1'
  | 'counted-rate-v1'
  | 'counted-odds-v1'
  | 'counted-mean-v1'
  | 'counted-distribution-v1'
  | typeof BEFORE_AFTER;

/** Of a slice as a whole, before the rollout and since: nothing is known of the arms. */
export const BEFORE_AFTER = 'before-after-v1';

/** What the values of one arm come to. `quantiles`: median, 90th and 99th percentile of a distribution. */
export type ArmValues = { readonly count: number; readonly mean: number; readonly quantiles: readonly number[] | null };

/** Totals since the rollout started, for the sentence and for minimum samples; requests are values of a signal of values. */
export type ArmCounts = {
  readonly candidateBad: number;
  readonly candidateRequests: number;
  readonly controlBad: number;
  readonly controlRequests: number;
};

/** Totals of one slice. */
export type SliceCounts = CellKey & ArmCounts;

/** Violations of an invariant, divided between the arms of a rollout. */
export type Violations = {
  /** On the candidate in this rollout, where nothing explains them. */
  readonly candidate: number;
  /** On control within the look-back, where no other change was on trial on the request. */
  readonly controlInLookback: number;
  /** On the candidate, where control does the same or another change on trial is the likelier cause. Default 0. */
  readonly explained?: number;
  /** Other changes on trial on the requests that the verdict is about, in words. Default: none. */
  readonly suspects?: readonly string[];
};

export type JudgeOptions = {
  /** Go on only when the ratio is shown to be below this margin; null asks for "not shown harmful" alone. */
  readonly tolerate: number | null;
  /** Targets whose samples and margins this judgement is about (a track); null for the whole rollout. */
  readonly targets: readonly string[] | null;
  /** Totals by slice; slices outside `targets` are ignored. */
  readonly counts: readonly SliceCounts[];
  /** Needed for invariants. */
  readonly violations?: Violations;
  /** Of what a source counts without arms: the counts of control are those of the same slices before the rollout. */
  readonly isBefore?: boolean;
  /** Candidate requests, over all slices in scope, without which nothing passes. Default 1. */
  readonly minRequests?: number;
};

export type VerdictScope =
  { readonly kind: 'rollout' } | { readonly kind: 'targets'; readonly targets: readonly string[] };

/** One signal judged on the evidence up to a look, JSON-serialisable as it stands. */
export type Verdict = {
  readonly signal: string;
  readonly verdict: VerdictKind;
  readonly method: GateMethod;
  readonly scope: VerdictScope;
  readonly shadow: boolean;
  /** The last look folded in. */
  readonly look: number;
  readonly counts: ArmCounts;
  /** Of a signal of values what both arms come to, null where nothing was measured; null for other signals. */
  readonly values: { readonly candidate: ArmValues | null; readonly control: ArmValues | null } | null;
  /** Estimated ratio of the candidate's rate, odds or mean to the control's; null where it cannot be told. */
  readonly ratio: number | null;
  /** 95% confidence sequence of the ratio, of values asymptotic; a side that the evidence does not bound is null. */
  readonly interval: readonly [low: number | null, high: number | null] | null;
  /** Natural logarithm of the merged e-value: its running maximum is what decides. */
  readonly logE: number;
  readonly maxLogE: number;
  /** ln 1/(alpha w): the verdict is `fail` once `maxLogE` reaches it. */
  readonly logBound: number;
  /** Natural logarithm of the promotion e-value against `tolerate`; null without it. */
  readonly logPromote: number | null;
  readonly tolerate: number | null;
  /** Slices whose own evidence reached the bound by itself. */
  readonly proved: readonly CellKey[];
  readonly sentence: string;
};
