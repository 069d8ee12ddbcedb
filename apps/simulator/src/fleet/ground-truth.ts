/** What one fault did on one target. Counts are requests unless said otherwise. */
export type FaultTruth = {
  /** Requests in the fault's reach that were served on the faulty revision. */
  exposed: number;
  /** Bad because of the fault while the fleet still evaluated to the faulty revision. */
  badOnCandidate: number;
  /** Bad because of the fault for sticky units whose evaluation was back on another revision. */
  badAfterRollback: number;
  /** Distinct units among the bad ones. */
  units: number;
  /** ms since 1970; null: not yet. */
  firstExposedAt: number | null;
  firstBadAt: number | null;
  lastBadAt: number | null;
};

/** What really happened, known to the fleets alone; benches compare it with what the controller saw. */
export type GroundTruth = {
  readonly faults: Readonly<Record<string, Readonly<Record<string, FaultTruth>>>>;
  /** Target → requests. */
  readonly requests: Readonly<Record<string, number>>;
  /** Target → config → revision → requests served on it, sticky ones included. */
  readonly served: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, number>>>>>>;
  /** Target → signal → bad requests that no fault caused. */
  readonly ordinaryBad: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly totals: { readonly requests: number; readonly badOfFaults: number; readonly badAfterRollback: number };
};

type Nested = Map<string, Map<string, number>>;

/** Counters of one target, shared by its instances. */
export type TargetTruth = {
  requests: number;
  readonly served: Nested;
  readonly ordinaryBad: Map<string, number>;
  readonly faults: Map<string, FaultTruth & { readonly who: Set<number> }>;
};

export const emptyTruth = (): TargetTruth => ({
  requests: 0,
  served: new Map(),
  ordinaryBad: new Map(),
  faults: new Map(),
});

/** The counters of one fault on one target, made when first asked for. */
export const faultTruth = (truth: TargetTruth, fault: string): FaultTruth & { readonly who: Set<number> } => {
  let known = truth.faults.get(fault);
  if (!known) {
    const never = { firstExposedAt: null, firstBadAt: null, lastBadAt: null };
    known = { exposed: 0, badOnCandidate: 0, badAfterRollback: 0, units: 0, ...never, who: new Set() };
    truth.faults.set(fault, known);
  }
  return known;
};

export const addServed = (truth: TargetTruth, config: string, revision: number, requests: number): void => {
  let revisions = truth.served.get(config);
  if (!revisions) truth.served.set(config, (revisions = new Map()));
  const name = String(revision);
  revisions.set(name, (revisions.get(name) ?? 0) + requests);
};

/** A snapshot of all targets, as plain JSON. */
export const snapshotTruth = (targets: ReadonlyMap<string, TargetTruth>): GroundTruth => {
  const faults: Record<string, Record<string, FaultTruth>> = {};
  for (const [target, truth] of targets) {
    for (const [fault, { who, ...counts }] of truth.faults)
      (faults[fault] ??= {})[target] = { ...counts, units: who.size };
  }
  const all = Object.values(faults).flatMap((byTarget) => Object.values(byTarget));
  const each = <T>(pick: (truth: TargetTruth) => T): Record<string, T> =>
    Object.fromEntries([...targets].map(([target, truth]) => [target, pick(truth)]));
  const requests = each((truth) => truth.requests);
  const badAfterRollback = all.reduce((sum, fault) => sum + fault.badAfterRollback, 0);
  return {
    faults,
    requests,
    served: each((truth) =>
      Object.fromEntries([...truth.served].map(([config, revisions]) => [config, Object.fromEntries(revisions)])),
    ),
    ordinaryBad: each((truth) => Object.fromEntries(truth.ordinaryBad)),
    totals: {
      requests: Object.values(requests).reduce((sum, count) => sum + count, 0),
      badOfFaults: all.reduce((sum, fault) => sum + fault.badOnCandidate, badAfterRollback),
      badAfterRollback,
    },
  };
};
