import type { Arm } from './evidence-store.js';
import type { InstancePlace } from './exposure.js';

type At = { readonly target: string; readonly model: string };
type Of = At & { readonly rollout: string };

export type TrafficFact = At & {
  readonly minute: number;
  readonly requests: number;
  readonly firstAt: number;
  readonly lastAt: number;
};
export type TrafficBadFact = At & { readonly signal: string; readonly minute: number; readonly bad: number };
export type RolloutFact = { readonly rollout: string; readonly config: string; readonly candidate: number };
export type ArmFact = Of & {
  readonly arm: Arm;
  readonly shareBp: number;
  readonly requests: number;
  readonly unassigned: number;
  readonly lastAt: number;
};
/** What came to a candidate after its control was asked for. */
export type LeftoverFact = {
  readonly rollout: string;
  readonly target: string;
  readonly requests: number;
  readonly firstAt: number;
  readonly lastAt: number;
};
export type LeftoverUnitFact = { readonly rollout: string; readonly target: string; readonly unit: string };
export type UnitFact = Of & { readonly unit: string; readonly shareBp: number };
/** What units have in common that were bad in one window. */
export type UnitSlice = Of & {
  readonly signal: string;
  readonly arm: Arm;
  readonly shareBp: number;
  readonly generation: number;
};
export type UnitBadFact = { readonly slice: UnitSlice; readonly unit: string };
/** What a look needs where the coin is thrown per request. */
export type RequestCellFact = Of & {
  readonly signal: string;
  readonly shareBp: number;
  /** Bad outcomes of requests that were counted before; there are no requests then. Default false. */
  readonly late?: boolean | undefined;
  readonly candidateBad: number;
  readonly controlBad: number;
  readonly candidateRequests: number;
  readonly controlRequests: number;
};
/** A value of a unit: its first one counts. */
export type UnitValueFact = UnitBadFact & { readonly value: number };
/** Values where the coin is thrown per request: how often each was seen. */
export type ValueCellFact = Of & {
  readonly signal: string;
  readonly shareBp: number;
  readonly value: number;
  readonly candidate: number;
  readonly control: number;
};
/** How many requests of a rate a source counted: those it is judged on. */
export type SampleFact = Of & {
  readonly signal: string;
  readonly shareBp: number;
  readonly candidate: number;
  readonly control: number;
};
/** A source that counts a signal for a rollout says which revision served what it counts. */
export type ToldArmsFact = { readonly rollout: string; readonly signal: string };
/** What a source counted on control in one hash bucket of units. */
export type BucketFact = Of & {
  readonly signal: string;
  readonly bucket: number;
  readonly bad: number;
  readonly requests: number;
};
/** What a source counted on a target, whatever ran there. */
export type ObservedFact = At & {
  readonly signal: string;
  readonly minute: number;
  readonly requests: number;
  readonly bad: number;
  readonly valueCount: number;
  readonly valueSum: number;
};
/** What one instance served where instances are drawn. */
export type InstanceCellFact = Of & {
  readonly signal: string;
  readonly shareBp: number;
  readonly instance: string;
  readonly place: InstancePlace;
  /** How many instances the draw was from. */
  readonly drawn: number;
  /** `bad`: requests and the bad ones among them. `values`: values and their sum, of a distribution that of logarithms. */
  readonly kind: 'bad' | 'values';
  readonly count: number;
  readonly sum: number;
};
/** Pairs of answers, and those of them that say something. */
export type PairFact = Of & {
  readonly signal: string;
  readonly shareBp: number;
  readonly pairs: number;
  readonly candidateOnly: number;
  readonly controlOnly: number;
};
/** Requests in which a signal of the rollout's plan was not measured. */
export type UnmeasuredFact = Of & {
  readonly signal: string;
  readonly arm: Arm;
  readonly shareBp: number;
  readonly requests: number;
};
/** A window with requests that measured a signal; `*` stands for every one. */
export type MeasuredFact = {
  readonly target: string;
  readonly signal: string;
  readonly from: number;
  readonly until: number;
};
export type ViolationFact = Of & {
  readonly signal: string;
  readonly arm: Arm;
  /** Canonical JSON: revision by config. */
  readonly revisions: string;
  readonly generation: number;
  readonly instance: string;
  readonly request: string | null;
  readonly unit: string | null;
  readonly reporter: string;
  readonly at: number;
};
export type ViolationSeenFact = At & {
  readonly signal: string;
  /** Canonical JSON: revision by config. */
  readonly revisions: string;
  readonly minute: number;
  readonly violations: number;
  readonly lastAt: number;
};

/** What one batch adds, once it is known to be new. */
export type Facts = {
  readonly traffic: TrafficFact[];
  readonly trafficBad: TrafficBadFact[];
  readonly rollouts: RolloutFact[];
  readonly arms: ArmFact[];
  readonly leftovers: LeftoverFact[];
  readonly leftoverUnits: LeftoverUnitFact[];
  readonly units: UnitFact[];
  readonly unitBad: UnitBadFact[];
  readonly requestCells: RequestCellFact[];
  readonly unitValues: UnitValueFact[];
  readonly valueCells: ValueCellFact[];
  readonly instanceCells: InstanceCellFact[];
  readonly pairs: PairFact[];
  readonly samples: SampleFact[];
  readonly toldArms: ToldArmsFact[];
  readonly buckets: BucketFact[];
  readonly observed: ObservedFact[];
  readonly measured: MeasuredFact[];
  readonly unmeasured: UnmeasuredFact[];
  readonly violations: ViolationFact[];
  readonly violationsSeen: ViolationSeenFact[];
};

export const noFacts = (): Facts => ({
  traffic: [],
  trafficBad: [],
  rollouts: [],
  arms: [],
  leftovers: [],
  leftoverUnits: [],
  units: [],
  unitBad: [],
  requestCells: [],
  unitValues: [],
  valueCells: [],
  instanceCells: [],
  pairs: [],
  samples: [],
  toldArms: [],
  buckets: [],
  observed: [],
  measured: [],
  unmeasured: [],
  violations: [],
  violationsSeen: [],
});
