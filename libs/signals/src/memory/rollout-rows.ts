import { roundedSum } from '../rounded.js';
import { UNIT_CAP, type Leftover, type LookCell, type StoredLook, type Violation } from '../evidence-store.js';
import type {
  ArmFact,
  BucketFact,
  InstanceCellFact,
  LeftoverFact,
  LeftoverUnitFact,
  PairFact,
  RequestCellFact,
  RolloutFact,
  SampleFact,
  UnitBadFact,
  UnitFact,
  UnitSlice,
  UnitValueFact,
  UnmeasuredFact,
  ValueCellFact,
  ViolationFact,
} from '../facts.js';
import { found, key, type Writable } from './tables.js';

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
  /** Signals of which a source said which revision served what it counted. */
  readonly toldArms = new Set<string>();
  /** Of control, by slice and signal: bucket → its counts. */
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

  #addRequests(cell: Writable<LookCell>, fact: Pick<RequestCellFact, 'candidateRequests' | 'controlRequests'>): void {
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

  /** What was counted of the whole so far is no evidence of arms: looks that hold bad outcomes of it are set right. */
  tellArms(signal: string): void {
    if (this.toldArms.has(signal)) return;
    this.toldArms.add(signal);
    const looked = new Map<string, BadRow>();
    for (const [at, row] of this.badCounts)
      if (row.signal === signal) {
        looked.set(key(row.target, row.model), { ...row });
        this.badCounts.delete(at);
      }
    for (const [at, { signal: of, target, model, candidateBad }] of this.pending) {
      if (of !== signal) continue;
      const row = looked.get(key(target, model));
      if (row) row.bad -= candidateBad;
      this.pending.delete(at);
    }
    for (const [at, row] of this.pendingValues) if (row.signal === signal) this.pendingValues.delete(at);
    for (const row of this.samples.values()) if (row.signal === signal) [row.candidate, row.control] = [0, 0];
    for (const { target, model, bad } of looked.values()) {
      if (bad === 0) continue;
      const cell = this.#cell({ signal, target, model, shareBp: 0 });
      cell.candidateBad -= bad;
      this.#addRequests(cell, { candidateRequests: 0, controlRequests: 0 });
    }
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
