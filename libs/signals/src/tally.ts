import { Covered } from './covered.js';
import type {
  ArmFact,
  BucketFact,
  Facts,
  MeasuredFact,
  ObservedFact,
  PairFact,
  RequestCellFact,
  RolloutFact,
  SampleFact,
  TrafficBadFact,
  TrafficFact,
  UnitBadFact,
  UnitFact,
  UnitValueFact,
  UnmeasuredFact,
  ValueCellFact,
  ViolationFact,
  ViolationSeenFact,
} from './facts.js';

/** Separates the parts of a key; no part holds it. */
const SEPARATOR = '\u0000';

/** One row per key, merged as they come, given back in the order of the keys. */
class Merged<T> {
  private readonly rows = new Map<string, T>();

  constructor(
    private readonly keyOf: (row: T) => string,
    private readonly merge: (known: T, added: T) => T,
  ) {}

  add(rows: readonly T[]): void {
    for (const row of rows) {
      const key = this.keyOf(row);
      const known = this.rows.get(key);
      this.rows.set(key, known === undefined ? row : this.merge(known, row));
    }
  }

  /** Writers that take their rows in one order cannot wait for each other in a circle. */
  sorted(): readonly T[] {
    return [...this.rows.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  }
}

const key = (...parts: readonly (string | number)[]): string => parts.join(SEPARATOR);
const first = <T>(known: T): T => known;

/** What a flush writes: the facts of many batches, one row per key. */
export class Tally {
  readonly traffic = new Merged<TrafficFact>(
    (row) => key(row.target, row.model, row.minute),
    (a, b) => ({
      ...a,
      requests: a.requests + b.requests,
      firstAt: Math.min(a.firstAt, b.firstAt),
      lastAt: Math.max(a.lastAt, b.lastAt),
    }),
  );
  readonly measured = new Covered<MeasuredFact>(({ target, signal }) => key(target, signal));
  readonly trafficBad = new Merged<TrafficBadFact>(
    (row) => key(row.signal, row.target, row.model, row.minute),
    (a, b) => ({ ...a, bad: a.bad + b.bad }),
  );
  readonly rollouts = new Merged<RolloutFact>((row) => row.rollout, first);
  readonly arms = new Merged<ArmFact>(
    (row) => key(row.rollout, row.target, row.model, row.arm, row.generation),
    (a, b) => ({
      ...a,
      requests: a.requests + b.requests,
      unassigned: a.unassigned + b.unassigned,
      lastAt: Math.max(a.lastAt, b.lastAt),
    }),
  );
  readonly units = new Merged<UnitFact>((row) => key(row.rollout, row.target, row.model, row.unit), first);
  readonly unitBad = new Merged<UnitBadFact>((row) => key(row.rollout, row.signal, row.unit), first);
  readonly requestCells = new Merged<RequestCellFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.shareBp, row.late === true ? 'late' : ''),
    (a, b) => ({
      ...a,
      candidateBad: a.candidateBad + b.candidateBad,
      controlBad: a.controlBad + b.controlBad,
      candidateRequests: a.candidateRequests + b.candidateRequests,
      controlRequests: a.controlRequests + b.controlRequests,
    }),
  );
  readonly unitValues = new Merged<UnitValueFact>((row) => key(row.rollout, row.signal, row.unit), first);
  readonly valueCells = new Merged<ValueCellFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.shareBp, row.value),
    (a, b) => ({ ...a, candidate: a.candidate + b.candidate, control: a.control + b.control }),
  );
  readonly pairs = new Merged<PairFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.shareBp),
    (a, b) => ({
      ...a,
      pairs: a.pairs + b.pairs,
      candidateOnly: a.candidateOnly + b.candidateOnly,
      controlOnly: a.controlOnly + b.controlOnly,
    }),
  );
  readonly samples = new Merged<SampleFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.shareBp),
    (a, b) => ({ ...a, candidate: a.candidate + b.candidate, control: a.control + b.control }),
  );
  readonly buckets = new Merged<BucketFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.bucket),
    (a, b) => ({ ...a, bad: a.bad + b.bad, requests: a.requests + b.requests }),
  );
  readonly observed = new Merged<ObservedFact>(
    (row) => key(row.signal, row.target, row.model, row.minute),
    (a, b) => ({
      ...a,
      requests: a.requests + b.requests,
      bad: a.bad + b.bad,
      valueCount: a.valueCount + b.valueCount,
      valueSum: a.valueSum + b.valueSum,
    }),
  );
  readonly unmeasured = new Merged<UnmeasuredFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.arm, row.shareBp),
    (a, b) => ({ ...a, requests: a.requests + b.requests }),
  );
  readonly violationsSeen = new Merged<ViolationSeenFact>(
    (row) => key(row.signal, row.target, row.model, row.revisions, row.minute),
    (a, b) => ({ ...a, violations: a.violations + b.violations, lastAt: Math.max(a.lastAt, b.lastAt) }),
  );
  /** In order of arrival. */
  readonly violations: ViolationFact[] = [];

  add(facts: Facts): void {
    this.traffic.add(facts.traffic);
    this.measured.add(facts.measured);
    this.unmeasured.add(facts.unmeasured);
    this.trafficBad.add(facts.trafficBad);
    this.rollouts.add(facts.rollouts);
    this.arms.add(facts.arms);
    this.units.add(facts.units);
    this.unitBad.add(facts.unitBad);
    this.requestCells.add(facts.requestCells);
    this.unitValues.add(facts.unitValues);
    this.valueCells.add(facts.valueCells);
    this.pairs.add(facts.pairs);
    this.samples.add(facts.samples);
    this.buckets.add(facts.buckets);
    this.observed.add(facts.observed);
    this.violationsSeen.add(facts.violationsSeen);
    for (const violation of facts.violations) this.violations.push(violation);
  }
  /** Rollouts of which this tells something. */
  touched(): readonly string[] {
    return this.rollouts.sorted().map((row) => row.rollout);
  }
}
