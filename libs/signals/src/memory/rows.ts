import type { ComparisonFact } from '../comparisons.js';
import { Covered, SILENCE_MS, TOUCHING_MS } from '../covered.js';
import { roundedSum } from '../rounded.js';
import {
  UNIT_CAP,
  type Leftover,
  type LookCell,
  type Span,
  type StoredLook,
  type Violation,
} from '../evidence-store.js';
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
} from '../facts.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

const found = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
};

/** Separates the parts of a key; no part holds it. */
const key = (...parts: readonly (string | number)[]): string => parts.join('\u0000');

type Where = Pick<LookCell, 'signal' | 'target' | 'model' | 'shareBp'>;

export type BadRow = Pick<UnitSlice, 'signal' | 'target' | 'model' | 'arm'> & { bad: number };
export type ValueRow = Omit<LookCell, 'candidateBad' | 'controlBad'> & {
  readonly counts: Map<number, { candidate: number; control: number }>;
};
export type InstanceRow = Pick<LookCell, 'signal' | 'target' | 'model' | 'shareBp'> & {
  candidateBad: number;
  controlBad: number;
  drawn: number;
  readonly instances: Map<string, InstanceCellFact>;
};
export type SampleRow = Pick<UnitSlice, 'signal' | 'target' | 'model' | 'shareBp'> & {
  candidate: number;
  control: number;
};
export type ViolationRow = Pick<ViolationFact, 'signal' | 'target' | 'arm' | 'revisions'> & { violations: number };
export type BakeRow = { readonly track: string; readonly stage: string } & {
  bakedMs: number;
  advancedAt: number;
  coveredUntil: number;
  lookedSince: number;
};

/** What is kept of one rollout. */
export class RolloutRows {
  rollout: RolloutFact | undefined;
  readonly arms = new Map<string, Writable<ArmFact>>();
  /** Target → what came after it was to go. */
  readonly leftovers = new Map<string, Writable<LeftoverFact>>();
  readonly leftoverUnits = new Map<string, Set<string>>();
  readonly units = new Map<string, { readonly target: string; readonly model: string; readonly units: Set<string> }>();
  readonly firstBad = new Set<string>();
  readonly badCounts = new Map<string, BadRow>();
  readonly pending = new Map<string, Writable<LookCell>>();
  /** Bad outcomes that came later than their requests, where the coin is thrown per request. */
  readonly pendingLate = new Map<string, Writable<LookCell>>();
  readonly firstValues = new Set<string>();
  readonly pendingValues = new Map<string, ValueRow>();
  readonly pendingInstances = new Map<string, InstanceRow>();
  readonly samples = new Map<string, SampleRow>();
  readonly violationCounts = new Map<string, ViolationRow>();
  /** The first of each kind, in order of arrival. */
  readonly violations: (Violation & { readonly signal: string })[] = [];
  /** Of control, by slice and signal: bucket → its counts. */
  /** Signals of which a source said which revision served what it counted. */
  readonly toldArms = new Set<string>();
  readonly buckets = new Map<string, Map<number, { readonly bad: number; readonly requests: number }>>();
  readonly unmeasured = new Map<string, Writable<UnmeasuredFact>>();
  readonly bakes = new Map<string, BakeRow>();
  readonly looks: StoredLook[] = [];
  lookCount = 0;

  addArm(fact: ArmFact): void {
    const { target, model, arm, shareBp, requests, unassigned, lastAt } = fact;
    const at = key(target, model, arm, shareBp);
    const known = this.arms.get(at);
    if (known === undefined) {
      this.arms.set(at, { ...fact });
      return;
    }
    known.requests += requests;
    known.unassigned += unassigned;
    known.lastAt = Math.max(known.lastAt, lastAt);
  }

  addLeftover(fact: LeftoverFact): void {
    const known = found(this.leftovers, fact.target, () => ({ ...fact, requests: 0 }));
    known.requests += fact.requests;
    known.firstAt = Math.min(known.firstAt, fact.firstAt);
    known.lastAt = Math.max(known.lastAt, fact.lastAt);
  }

  addLeftoverUnit({ target, unit }: LeftoverUnitFact): void {
    const units = found(this.leftoverUnits, target, () => new Set<string>());
    if (units.size < UNIT_CAP) units.add(unit);
  }

  leftoverOf(target: string): Leftover | undefined {
    const known = this.leftovers.get(target);
    if (known === undefined) return undefined;
    const { requests, firstAt, lastAt } = known;
    return { requests, units: this.leftoverUnits.get(target)?.size ?? 0, firstAt, lastAt };
  }

  /** Whether there is room is asked once for a whole batch. */
  addUnits(facts: readonly UnitFact[]): void {
    const rooms = new Map<Set<string>, boolean>();
    for (const { target, model, unit } of facts) {
      const { units } = found(this.units, key(target, model), () => ({ target, model, units: new Set<string>() }));
      const hasRoom = rooms.get(units) ?? units.size < UNIT_CAP;
      rooms.set(units, hasRoom);
      if (hasRoom) units.add(unit);
    }
  }

  addUnitBad({ slice, unit }: UnitBadFact): void {
    const once = key(slice.signal, unit);
    if (this.firstBad.has(once)) return;
    this.firstBad.add(once);
    const isCandidate = slice.arm === 'candidate';
    const cell = this.#cell(slice);
    cell.candidateBad += isCandidate ? 1 : 0;
    cell.controlBad += isCandidate ? 0 : 1;
    this.#count(slice, slice.arm, 1);
  }

  addRequestCell(fact: RequestCellFact): void {
    const cell = fact.late === true ? this.#lateCell(fact) : this.#cell(fact);
    cell.candidateBad += fact.candidateBad;
    cell.controlBad += fact.controlBad;
    if (fact.late !== true) this.#addRequests(cell, fact);
    this.#count(fact, 'candidate', fact.candidateBad);
    this.#count(fact, 'control', fact.controlBad);
  }

  #addRequests(cell: Writable<LookCell>, fact: RequestCellFact): void {
    cell.candidateRequests = (cell.candidateRequests ?? 0) + fact.candidateRequests;
    cell.controlRequests = (cell.controlRequests ?? 0) + fact.controlRequests;
  }

  /** All requests of a share that measured a signal, by arm. */
  servedOf({ signal, target, model, shareBp }: Where): { readonly candidate: number; readonly control: number } {
    const there = (row: Omit<Where, 'signal'>): boolean =>
      row.target === target && row.model === model && row.shareBp === shareBp;
    const served = { candidate: 0, control: 0 };
    for (const row of this.arms.values()) if (there(row)) served[row.arm] += row.requests;
    for (const row of this.unmeasured.values())
      if (there(row) && row.signal === signal) served[row.arm] -= row.requests;
    return served;
  }

  addUnitValue({ slice, unit, value }: UnitValueFact): void {
    const once = key(slice.signal, unit);
    if (this.firstValues.has(once)) return;
    this.firstValues.add(once);
    const isCandidate = slice.arm === 'candidate';
    this.addValueCell({ ...slice, value, candidate: isCandidate ? 1 : 0, control: isCandidate ? 0 : 1 });
  }

  addValueCell({ signal, target, model, shareBp, value, candidate, control }: ValueCellFact): void {
    const { counts } = found(this.pendingValues, key(signal, target, model, shareBp), () => {
      return { signal, target, model, shareBp, counts: new Map<number, { candidate: number; control: number }>() };
    });
    const known = counts.get(value) ?? { candidate: 0, control: 0 };
    counts.set(value, { candidate: known.candidate + candidate, control: known.control + control });
    this.#sample({ signal, target, model, shareBp, candidate, control });
  }

  addInstanceCell(fact: InstanceCellFact): void {
    const { signal, target, model, shareBp, instance, place, drawn, kind, count, sum } = fact;
    const arm = place === 'chosen' || place === 'kept' ? 'candidate' : 'control';
    const row = found(this.pendingInstances, key(signal, target, model, shareBp), () => {
      return { signal, target, model, shareBp, candidateBad: 0, controlBad: 0, drawn: 0, instances: new Map() };
    });
    row.drawn = Math.max(row.drawn, drawn);
    const known = row.instances.get(key(instance, place));
    const total = { ...fact, count: count + (known?.count ?? 0), sum: roundedSum(sum + (known?.sum ?? 0)) };
    row.instances.set(key(instance, place), total);
    if (kind === 'values') {
      const [candidate, control] = arm === 'candidate' ? [count, 0] : [0, count];
      return this.#sample({ signal, target, model, shareBp, candidate, control });
    }
    row[arm === 'candidate' ? 'candidateBad' : 'controlBad'] += sum;
    this.#count(fact, arm, sum);
  }

  addPairs({ signal, target, model, shareBp, pairs, candidateOnly, controlOnly }: PairFact): void {
    this.#sample({ signal, target, model, shareBp, candidate: pairs, control: pairs });
    if (candidateOnly + controlOnly === 0) return;
    const cell = this.#cell({ signal, target, model, shareBp });
    cell.candidateBad += candidateOnly;
    cell.controlBad += controlOnly;
  }

  addSample(fact: SampleFact): void {
    this.#sample(fact);
  }

  addBucket({ signal, target, model, bucket, bad, requests }: BucketFact): void {
    const buckets = found(this.buckets, key(signal, target, model), () => new Map());
    const known = buckets.get(bucket) ?? { bad: 0, requests: 0 };
    buckets.set(bucket, { bad: known.bad + bad, requests: known.requests + requests });
  }

  bucketsOf({ signal, target, model }: Pick<BucketFact, 'signal' | 'target' | 'model'>) {
    return [...(this.buckets.get(key(signal, target, model))?.values() ?? [])];
  }

  #sample({ signal, target, model, shareBp, candidate, control }: SampleRow): void {
    const row = found(this.samples, key(signal, target, model, shareBp), () => {
      return { signal, target, model, shareBp, candidate: 0, control: 0 };
    });
    row.candidate += candidate;
    row.control += control;
  }

  addUnmeasured(fact: UnmeasuredFact): void {
    const { signal, target, model, arm, shareBp, requests } = fact;
    found(this.unmeasured, key(signal, target, model, arm, shareBp), () => ({ ...fact, requests: 0 })).requests +=
      requests;
  }

  addViolation(fact: ViolationFact): void {
    const { signal, target, model, arm, revisions, generation, instance, request, reporter, at } = fact;
    const row = found(this.violationCounts, key(signal, target, model, arm, revisions), () => {
      const where = { signal, target, model, arm, generation, instance, reporter, at };
      this.violations.push({ ...where, request: request ?? undefined });
      return { signal, target, arm, revisions, violations: 0 };
    });
    row.violations += 1;
  }

  #cell(where: Where): Writable<LookCell> {
    return this.#cellIn(this.pending, where);
  }

  #lateCell(where: Where): Writable<LookCell> {
    return this.#cellIn(this.pendingLate, where);
  }

  #cellIn(pending: Map<string, Writable<LookCell>>, { signal, target, model, shareBp }: Where): Writable<LookCell> {
    return found(pending, key(signal, target, model, shareBp), () => ({
      signal,
      target,
      model,
      shareBp,
      candidateBad: 0,
      controlBad: 0,
    }));
  }

  #count({ signal, target, model }: Omit<BadRow, 'arm' | 'bad'>, arm: BadRow['arm'], bad: number): void {
    if (bad === 0) return;
    const row = found(this.badCounts, key(signal, target, model, arm), () => ({ signal, target, model, arm, bad: 0 }));
    row.bad += bad;
  }
}

/** Everything that outcomes leave behind, in memory: the tables of the schema `evidence`. */
export class EvidenceRows {
  /** Id → digest of its content, made when it is asked for: most are never sent again. */
  readonly batches = new Map<string, () => string>();
  compared: readonly ComparisonFact[] = [];
  readonly traffic = new Map<string, Writable<TrafficFact>>();
  readonly trafficBad = new Map<string, Writable<TrafficBadFact>>();
  readonly targetsSeen = new Map<string, { readonly lastAt: number; readonly flowingSince: number }>();
  /** Target → signal → the last span in which it was measured without a gap. */
  readonly signalsSeen = new Map<string, Map<string, Span>>();
  readonly violationsSeen = new Map<string, Writable<ViolationSeenFact>>();
  readonly observed = new Map<string, Writable<ObservedFact>>();
  /** Source → its state as JSON. */
  readonly sources = new Map<string, string>();
  readonly #rollouts = new Map<string, RolloutRows>();

  of(rollout: string): RolloutRows {
    return found(this.#rollouts, rollout, () => new RolloutRows());
  }

  /** Adds what one batch is worth. */
  add(facts: Facts): void {
    for (const fact of facts.traffic) this.#addTraffic(fact);
    this.#addSeen(facts.traffic);
    this.#addMeasured(facts.measured);
    for (const fact of facts.trafficBad) {
      const { signal, target, model, minute } = fact;
      found(this.trafficBad, key(signal, target, model, minute), () => ({ ...fact, bad: 0 })).bad += fact.bad;
    }
    for (const fact of facts.rollouts) this.of(fact.rollout).rollout ??= fact;
    for (const fact of facts.arms) this.of(fact.rollout).addArm(fact);
    for (const fact of facts.leftovers) this.of(fact.rollout).addLeftover(fact);
    for (const fact of facts.leftoverUnits) this.of(fact.rollout).addLeftoverUnit(fact);
    for (const rollout of new Set(facts.units.map((fact) => fact.rollout)))
      this.of(rollout).addUnits(facts.units.filter((fact) => fact.rollout === rollout));
    for (const fact of facts.unitBad) this.of(fact.slice.rollout).addUnitBad(fact);
    for (const fact of facts.requestCells) this.of(fact.rollout).addRequestCell(fact);
    for (const fact of facts.unitValues) this.of(fact.slice.rollout).addUnitValue(fact);
    for (const fact of facts.valueCells) this.of(fact.rollout).addValueCell(fact);
    for (const fact of facts.instanceCells) this.of(fact.rollout).addInstanceCell(fact);
    for (const fact of facts.pairs) this.of(fact.rollout).addPairs(fact);
    for (const fact of facts.samples) this.of(fact.rollout).addSample(fact);
    for (const { rollout, signal } of facts.toldArms) this.of(rollout).toldArms.add(signal);
    for (const fact of facts.buckets) this.of(fact.rollout).addBucket(fact);
    for (const fact of facts.observed) this.#addObserved(fact);
    for (const fact of facts.unmeasured) this.of(fact.rollout).addUnmeasured(fact);
    for (const fact of facts.violations) this.of(fact.rollout).addViolation(fact);
    for (const fact of facts.violationsSeen) this.#addViolationSeen(fact);
  }

  #addTraffic(fact: TrafficFact): void {
    const { target, model, minute, requests, firstAt, lastAt } = fact;
    const at = key(target, model, minute);
    const known = this.traffic.get(at);
    if (known === undefined) this.traffic.set(at, { ...fact });
    else {
      known.requests += requests;
      known.firstAt = Math.min(known.firstAt, firstAt);
      known.lastAt = Math.max(known.lastAt, lastAt);
    }
  }

  /** As one flush: the traffic of a batch together. */
  #addSeen(facts: readonly TrafficFact[]): void {
    for (const target of new Set(facts.map((fact) => fact.target))) {
      const own = facts.filter((fact) => fact.target === target);
      const until = Math.max(...own.map(({ lastAt }) => lastAt));
      const from = Math.min(...own.map(({ firstAt }) => firstAt));
      const known = this.targetsSeen.get(target) ?? { lastAt: until, flowingSince: from };
      const begins = from > known.lastAt + SILENCE_MS;
      const isBefore = until + SILENCE_MS < known.flowingSince;
      const joined = isBefore ? known.flowingSince : Math.min(known.flowingSince, from);
      this.targetsSeen.set(target, { lastAt: Math.max(known.lastAt, until), flowingSince: begins ? from : joined });
    }
  }

  /** Two spans that touch become one; otherwise the later one counts. */
  #addMeasured(facts: readonly MeasuredFact[]): void {
    const covered = new Covered<MeasuredFact>(({ target, signal }) => key(target, signal));
    covered.add(facts);
    for (const { target, signal, from, until } of covered.sorted()) {
      const spans = found(this.signalsSeen, target, () => new Map<string, Span>());
      const known = spans.get(signal) ?? { from, until };
      const touch = from <= known.until + TOUCHING_MS && known.from <= until + TOUCHING_MS;
      const since = touch ? Math.min(known.from, from) : until > known.until ? from : known.from;
      spans.set(signal, { from: since, until: Math.max(known.until, until) });
    }
  }

  #addObserved(fact: ObservedFact): void {
    const { signal, target, model, minute } = fact;
    const none = { ...fact, requests: 0, bad: 0, valueCount: 0, valueSum: 0 };
    const row = found(this.observed, key(signal, target, model, minute), () => none);
    row.requests += fact.requests;
    row.bad += fact.bad;
    row.valueCount += fact.valueCount;
    row.valueSum += fact.valueSum;
  }

  #addViolationSeen(fact: ViolationSeenFact): void {
    const { signal, target, model, revisions, minute, lastAt } = fact;
    const row = found(this.violationsSeen, key(signal, target, model, revisions, minute), () => ({
      ...fact,
      violations: 0,
    }));
    row.violations += fact.violations;
    row.lastAt = Math.max(row.lastAt, lastAt);
  }
}
