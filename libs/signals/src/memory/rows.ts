import type { ComparisonFact } from '../comparisons.js';
import { Covered, SILENCE_MS, TOUCHING_MS } from '../covered.js';
import type { Span } from '../evidence-store.js';
import type { Facts, MeasuredFact, ObservedFact, TrafficBadFact, TrafficFact, ViolationSeenFact } from '../facts.js';
import { RolloutRows } from './rollout-rows.js';
import { found, key, type Writable } from './tables.js';

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
    for (const { rollout, signal } of facts.toldArms) this.of(rollout).tellArms(signal);
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
