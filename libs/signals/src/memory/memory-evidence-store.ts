import type {
  RolloutTotals,
  SliceActivation,
  StageBake,
  StoredLook,
  TargetSeen,
  Traffic,
  ViolationCount,
  ViolationOptions,
  ViolationReport,
} from '../evidence-store.js';
import { EvidenceStore } from '../evidence-store.js';
import { canonical, compare, digestOf, inOrder } from '../looks.js';
import { LEAST_SPAN_MS } from '../reads.js';
import { EvidenceRows, type RolloutRows } from './rows.js';

type Place = { readonly target: string; readonly model: string };

const MINUTE_MS = 60_000;

const byPlace = (a: Place, b: Place): number => compare(a.target, b.target) || compare(a.model, b.model);
const bySignal = (a: Place & { readonly signal: string }, b: Place & { readonly signal: string }): number =>
  compare(a.signal, b.signal) || byPlace(a, b);
const placeOf = ({ target, model }: Place): string => `${target} ${model}`;

const sums = (counts: ReadonlyMap<string, number>): readonly ViolationCount[] =>
  [...counts].map(([target, violations]) => ({ target, violations })).toSorted((a, b) => compare(a.target, b.target));
const total = (counts: readonly ViolationCount[]): number =>
  counts.reduce((sum, { violations }) => sum + violations, 0);

/**
 * The evidence in memory, for tests and simulations: it answers as the one in PostgreSQL does, and nothing survives.
 * `rows` is filled by a `MemoryIntake`; stores and intakes over the same rows behave like several controllers.
 */
export class MemoryEvidenceStore extends EvidenceStore {
  constructor(readonly rows: EvidenceRows = new EvidenceRows()) {
    super();
  }

  override async foldLook(rollout: string, at: number): Promise<StoredLook> {
    const rows = this.rows.of(rollout);
    rows.lookCount += 1;
    const cells = [...rows.pending.values()]
      .filter(({ candidateBad, controlBad }) => candidateBad + controlBad > 0)
      .map(({ candidateBad, candidateRequests, controlBad, controlRequests, model, shareBp, signal, target }) => ({
        candidateBad,
        ...(candidateRequests === undefined ? {} : { candidateRequests }),
        controlBad,
        ...(controlRequests === undefined ? {} : { controlRequests }),
        model,
        shareBp,
        signal,
        target,
      }))
      .toSorted(inOrder);
    rows.pending.clear();
    const look = { rollout, look: rows.lookCount, at, cells, digest: digestOf(canonical(cells)) };
    if (cells.length > 0) rows.looks.push(look);
    return look;
  }

  override async readLooks(rollout: string, afterLook: number): Promise<readonly StoredLook[]> {
    return this.rows.of(rollout).looks.filter(({ look }) => look > afterLook);
  }

  override async lookCount(rollout: string): Promise<number> {
    return this.rows.of(rollout).lookCount;
  }

  override async totals(rollout: string): Promise<RolloutTotals> {
    const { arms, badCounts } = this.rows.of(rollout);
    const slices = new Map<
      string,
      Place & { candidateRequests: number; controlRequests: number; unassigned: number }
    >();
    for (const { target, model, arm, shareBp, requests, unassigned } of arms.values()) {
      if (shareBp === 0) continue;
      const place = placeOf({ target, model });
      const slice = slices.get(place) ?? { target, model, candidateRequests: 0, controlRequests: 0, unassigned: 0 };
      slice[arm === 'candidate' ? 'candidateRequests' : 'controlRequests'] += requests;
      slice.unassigned += unassigned;
      slices.set(place, slice);
    }
    const bad = new Map<string, Place & { signal: string; candidateBad: number; controlBad: number }>();
    for (const { signal, target, model, arm, bad: count } of badCounts.values()) {
      const place = `${signal} ${placeOf({ target, model })}`;
      const cell = bad.get(place) ?? { signal, target, model, candidateBad: 0, controlBad: 0 };
      cell[arm === 'candidate' ? 'candidateBad' : 'controlBad'] += count;
      bad.set(place, cell);
    }
    return { slices: [...slices.values()].toSorted(byPlace), bad: [...bad.values()].toSorted(bySignal) };
  }

  override async activation(rollout: string): Promise<readonly SliceActivation[]> {
    return [...this.rows.of(rollout).units.values()]
      .map(({ target, model, units }) => ({ target, model, units: units.size }))
      .toSorted(byPlace);
  }

  override async violations(rollout: string, signal: string, options: ViolationOptions): Promise<ViolationReport> {
    const rows = this.rows.of(rollout);
    const counts = (target: string): boolean => options.targets?.includes(target) ?? true;
    const candidate = new Map<string, number>();
    for (const row of rows.violationCounts.values()) {
      if (row.signal !== signal || row.arm !== 'candidate' || !counts(row.target)) continue;
      candidate.set(row.target, (candidate.get(row.target) ?? 0) + row.violations);
    }
    const first = rows.violations.find(
      (each) => each.signal === signal && each.arm === 'candidate' && counts(each.target),
    );
    const { signal: _, ...named } = first ?? { signal };
    const candidateByTarget = sums(candidate);
    const controlByTarget = sums(this.#onControl(rows, signal, options));
    return {
      candidate: total(candidateByTarget),
      candidateByTarget,
      controlInLookback: total(controlByTarget),
      controlByTarget,
      first: 'target' in named ? named : undefined,
    };
  }

  /** Whatever did not run the candidate is control, before the rollout as well as beside it. */
  #onControl(
    { rollout, arms }: RolloutRows,
    signal: string,
    { lookBackMs, now, targets }: ViolationOptions,
  ): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    if (rollout === undefined) return counts;
    const where = new Set(targets ?? [...arms.values()].map(({ target }) => target));
    const since = now - lookBackMs;
    for (const seen of this.rows.violationsSeen.values()) {
      if (seen.signal !== signal || seen.lastAt < since || seen.minute < since - MINUTE_MS) continue;
      if (!where.has(seen.target)) continue;
      const revisions = JSON.parse(seen.revisions) as Readonly<Record<string, number>>;
      if (revisions[rollout.config] === rollout.candidate) continue;
      counts.set(seen.target, (counts.get(seen.target) ?? 0) + seen.violations);
    }
    return counts;
  }

  override async lastSeen(rollout: string, also: readonly string[] = []): Promise<readonly TargetSeen[]> {
    const candidateAt = new Map<string, number>();
    const named = new Set(also);
    for (const { target, arm, lastAt } of this.rows.of(rollout).arms.values()) {
      named.add(target);
      if (arm === 'candidate') candidateAt.set(target, Math.max(candidateAt.get(target) ?? 0, lastAt));
    }
    return [...named].toSorted(compare).map((target) => ({
      target,
      candidateAt: candidateAt.get(target),
      anyAt: this.rows.targetsSeen.get(target),
    }));
  }

  override async traffic({ now, spanMs }: { readonly now: number; readonly spanMs: number }): Promise<Traffic> {
    const since = now - spanMs;
    const recent = [...this.rows.traffic.values()].filter(
      ({ minute, lastAt, firstAt }) => minute > since - MINUTE_MS && lastAt > since && firstAt < now,
    );
    const newest = [...this.rows.traffic.values()].filter(
      ({ minute, firstAt }) => minute > since - MINUTE_MS && firstAt < now,
    );
    // Reports trail what they report: the span ends with the newest of them.
    const end = newest.length > 0 ? Math.max(...newest.map(({ lastAt }) => lastAt)) : now;
    const slices = new Map<string, Place & { requests: number; firstAt: number }>();
    for (const { target, model, requests, firstAt } of recent) {
      const place = placeOf({ target, model });
      const slice = slices.get(place) ?? { target, model, requests: 0, firstAt };
      slices.set(place, {
        ...slice,
        requests: slice.requests + requests,
        firstAt: Math.min(slice.firstAt, firstAt),
      });
    }
    const seconds = (place: Place): number =>
      Math.max(end - (slices.get(placeOf(place))?.firstAt ?? end), LEAST_SPAN_MS) / 1_000;
    const minutes = new Set(recent.map((row) => `${placeOf(row)} ${row.minute}`));
    const bad = new Map<string, Place & { signal: string; bad: number }>();
    for (const { signal, target, model, minute, bad: count } of this.rows.trafficBad.values()) {
      if (!minutes.has(`${placeOf({ target, model })} ${minute}`)) continue;
      const place = `${signal} ${placeOf({ target, model })}`;
      bad.set(place, { signal, target, model, bad: (bad.get(place)?.bad ?? 0) + count });
    }
    return {
      requests: [...slices.values()].toSorted(byPlace).map(({ target, model, requests }) => ({
        target,
        model,
        requestsPerSecond: requests / seconds({ target, model }),
      })),
      bad: [...bad.values()].toSorted(bySignal).map(({ signal, target, model, bad: count }) => ({
        signal,
        target,
        model,
        badPerSecond: count / seconds({ target, model }),
      })),
    };
  }

  override async advanceBake(
    rollout: string,
    track: string,
    stage: string,
    now: number,
    flowing: boolean,
    maxGapMs: number,
  ): Promise<number> {
    const { bakes } = this.rows.of(rollout);
    const at = Math.round(now);
    const known = bakes.get(`${track} ${stage}`);
    if (known === undefined) {
      bakes.set(`${track} ${stage}`, { track, stage, bakedMs: 0, advancedAt: at });
      return 0;
    }
    if (flowing) known.bakedMs += Math.min(Math.max(at - known.advancedAt, 0), Math.round(maxGapMs));
    known.advancedAt = Math.max(known.advancedAt, at);
    return known.bakedMs;
  }

  override async bakedMs(rollout: string): Promise<readonly StageBake[]> {
    return [...this.rows.of(rollout).bakes.values()]
      .map(({ track, stage, bakedMs }) => ({ track, stage, bakedMs }))
      .toSorted((a, b) => compare(a.track, b.track) || compare(a.stage, b.stage));
  }

  override onEvidence(): () => void {
    return () => undefined;
  }
}
