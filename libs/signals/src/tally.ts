import { Covered } from './covered.js';
import { roundedSum } from './rounded.js';
import type {
  ArmFact,
  BucketFact,
  Facts,
  InstanceCellFact,
  LeftoverFact,
  LeftoverUnitFact,
  MeasuredFact,
  ObservedFact,
  PairFact,
  RequestCellFact,
  RolloutFact,
  SampleFact,
  ToldArmsFact,
  TrafficBadFact,
  TrafficFact,
  UnitBadFact,
  UnitFact,
  UnitSlice,
  UnitValueFact,
  UnmeasuredFact,
  ValueCellFact,
  ViolationFact,
  ViolationSeenFact,
} from './facts.js';

/** Separates the parts of a key; no part holds it. */
const SEPARATOR = '\u0000';

/** In the order of code units. */
const sortedByKey = <T>(rows: ReadonlyMap<string, T>): readonly T[] =>
  [...rows.keys()].toSorted().map((name) => rows.get(name) as T);

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
    return sortedByKey(this.rows);
  }
}

const key = (...parts: readonly (string | number)[]): string => parts.join(SEPARATOR);
const first = <T>(known: T): T => known;

/** The first row of each unit, by rollout and signal. There are many of them, so no key is made for each. */
class ByUnit<T extends UnitBadFact> {
  private readonly bySignal = new Map<string, Map<string, T>>();
  private readonly bySlice = new Map<UnitSlice, Map<string, T>>();

  private unitsOf(slice: UnitSlice): Map<string, T> {
    const known = this.bySlice.get(slice);
    if (known !== undefined) return known;
    const name = key(slice.rollout, slice.signal);
    const units = this.bySignal.get(name) ?? new Map<string, T>();
    this.bySignal.set(name, units);
    this.bySlice.set(slice, units);
    return units;
  }

  add(rows: readonly T[]): void {
    for (const row of rows) {
      const units = this.unitsOf(row.slice);
      if (!units.has(row.unit)) units.set(row.unit, row);
    }
  }

  private has(signal: string, unit: string): boolean {
    return this.bySignal.get(signal)?.has(unit) === true;
  }

  /**
   * In the order of rollout, signal and unit: rows that none of the others holds, and those of which one of them has a
   * row of the same unit.
   */
  sortedBeside(others: readonly ByUnit<UnitBadFact>[]): { readonly own: readonly T[]; readonly shared: readonly T[] } {
    const [own, shared]: [T[], T[]] = [[], []];
    for (const signal of [...this.bySignal.keys()].toSorted()) {
      const units = this.bySignal.get(signal) ?? new Map<string, T>();
      for (const unit of [...units.keys()].toSorted())
        (others.some((other) => other.has(signal, unit)) ? shared : own).push(units.get(unit) as T);
    }
    return { own, shared };
  }

  /** In the order of rollout, signal and unit. */
  sorted(): readonly T[] {
    return this.sortedBeside([]).own;
  }
}

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
    (row) => key(row.rollout, row.target, row.model, row.arm, row.shareBp),
    (a, b) => ({
      ...a,
      requests: a.requests + b.requests,
      unassigned: a.unassigned + b.unassigned,
      lastAt: Math.max(a.lastAt, b.lastAt),
    }),
  );
  readonly leftovers = new Merged<LeftoverFact>(
    (row) => key(row.rollout, row.target),
    (a, b) => ({
      ...a,
      requests: a.requests + b.requests,
      firstAt: Math.min(a.firstAt, b.firstAt),
      lastAt: Math.max(a.lastAt, b.lastAt),
    }),
  );
  readonly leftoverUnits = new Merged<LeftoverUnitFact>((row) => key(row.rollout, row.target, row.unit), first);
  readonly units = new Merged<UnitFact>((row) => key(row.rollout, row.target, row.model, row.unit), first);
  readonly unitBad = new ByUnit<UnitBadFact>();
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
  readonly unitValues = new ByUnit<UnitValueFact>();
  readonly valueCells = new Merged<ValueCellFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.shareBp, row.value),
    (a, b) => ({ ...a, candidate: a.candidate + b.candidate, control: a.control + b.control }),
  );
  readonly instanceCells = new Merged<InstanceCellFact>(
    (row) => key(row.rollout, row.signal, row.target, row.model, row.shareBp, row.instance, row.place),
    (a, b) => ({ ...a, count: a.count + b.count, sum: roundedSum(a.sum + b.sum) }),
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
  readonly toldArms = new Merged<ToldArmsFact>((row) => key(row.rollout, row.signal), first);
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
    this.leftovers.add(facts.leftovers);
    this.leftoverUnits.add(facts.leftoverUnits);
    this.units.add(facts.units);
    this.unitBad.add(facts.unitBad);
    this.requestCells.add(facts.requestCells);
    this.unitValues.add(facts.unitValues);
    this.valueCells.add(facts.valueCells);
    this.instanceCells.add(facts.instanceCells);
    this.pairs.add(facts.pairs);
    this.samples.add(facts.samples);
    this.toldArms.add(facts.toldArms);
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
