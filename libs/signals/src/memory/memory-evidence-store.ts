import { hash } from 'node:crypto';
import type { Clock } from '#libs/kernel';
import type {
  Assigned,
  Compared,
  LookCell,
  ObservedAsked,
  ObservedTotals,
  RequestTotals,
  RolloutTotals,
  SliceActivation,
  Span,
  StageBake,
  StoredLook,
  TakenLook,
  TargetSeen,
  Traffic,
  ViolationGroup,
  ViolationOptions,
  ViolationReport,
} from '../evidence-store.js';
import { EvidenceStore } from '../evidence-store.js';
import { wholeMinutes } from '../observed.js';
import { cellOfCounts, cellOfInstances, cellOfValues, dispersionOf } from './cells.js';
import type { RolloutRows, SampleRow, ViolationRow } from './rollout-rows.js';
import { bySignal, byPlace, compare, placeOf, type Place } from './order.js';
import { EvidenceRows } from './rows.js';
import { trafficOf } from './traffic.js';

const MINUTE_MS = 60_000;

const inOrder = (a: LookCell, b: LookCell): number => bySignal(a, b) || a.shareBp - b.shareBp;

/** Over all shares. */
const summed = (rows: Iterable<SampleRow>): RequestTotals['samples'][number][] => {
  const sums = new Map<string, Omit<SampleRow, 'shareBp'>>();
  for (const { signal, target, model, candidate, control } of rows) {
    const place = `${signal} ${placeOf({ target, model })}`;
    const sum = sums.get(place) ?? { signal, target, model, candidate: 0, control: 0 };
    sum.candidate += candidate;
    sum.control += control;
    sums.set(place, sum);
  }
  return [...sums.values()];
};

type Violated = Pick<ViolationRow, 'target' | 'revisions' | 'violations'>;

/** By target and combination of revisions. */
const groupsOf = (rows: readonly Violated[]): readonly ViolationGroup[] => {
  const groups = new Map<string, Violated>();
  for (const { target, revisions, violations } of rows) {
    const group = `${target} ${revisions}`;
    groups.set(group, { target, revisions, violations: violations + (groups.get(group)?.violations ?? 0) });
  }
  return [...groups.values()]
    .toSorted((a, b) => compare(a.target, b.target) || compare(a.revisions, b.revisions))
    .map((group) => ({ ...group, revisions: JSON.parse(group.revisions) as ViolationGroup['revisions'] }));
};

/** Members stand in alphabetical order and names are of ASCII: that is canonical. */
const digestOf = (cells: readonly LookCell[]): string => hash('sha256', JSON.stringify(cells));

/**
 * The evidence in memory, for tests and simulations: it answers as the one in PostgreSQL does, and nothing survives.
 * `rows` is filled by a `MemoryIntake`; stores and intakes over the same rows behave like several controllers.
 */
export class MemoryEvidenceStore extends EvidenceStore {
  /** Bakes are counted by `bakeClock`; without one by the callers' own. */
  constructor(
    readonly rows: EvidenceRows = new EvidenceRows(),
    private readonly bakeClock?: Clock,
  ) {
    super();
  }

  override async takeLook(rollout: string, at: number): Promise<TakenLook> {
    const rows = this.rows.of(rollout);
    rows.lookCount += 1;
    const bad = [...rows.pending.values()]
      .filter(({ candidateBad, controlBad }) => candidateBad + controlBad !== 0)
      .map((cell) => cellOfCounts(cell, dispersionOf(rows.bucketsOf(cell))));
    const isTold = ({ candidateBad, controlBad }: LookCell): boolean => candidateBad + controlBad !== 0;
    const late = [...rows.pendingLate.values()].filter(isTold).map((cell): LookCell => {
      const { candidate: candidateServed, control: controlServed } = rows.servedOf(cell);
      const { candidateBad, controlBad, model, shareBp, signal, target } = cell;
      return { candidateBad, candidateServed, controlBad, controlServed, model, shareBp, signal, target };
    });
    const cells: readonly LookCell[] = [
      ...bad,
      ...late,
      ...[...rows.pendingValues.values()].map(cellOfValues),
      ...[...rows.pendingInstances.values()].map(cellOfInstances),
    ].toSorted(inOrder);
    rows.pending.clear();
    rows.pendingLate.clear();
    rows.pendingValues.clear();
    rows.pendingInstances.clear();
    const look = { rollout, look: rows.lookCount, at, cells, digest: digestOf(cells) };
    if (cells.length > 0) rows.looks.push(look);
    return { look, requests: await this.requests(rollout) };
  }

  override async readLooks(rollout: string, afterLook: number, most?: number): Promise<readonly StoredLook[]> {
    return this.rows
      .of(rollout)
      .looks.filter(({ look }) => look > afterLook)
      .slice(0, most);
  }

  override async lookCount(rollout: string): Promise<number> {
    return this.rows.of(rollout).lookCount;
  }

  override async requests(rollout: string): Promise<RequestTotals> {
    const { arms, unmeasured, samples } = this.rows.of(rollout);
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
    const blind = new Map<string, Place & { signal: string; candidateRequests: number; controlRequests: number }>();
    for (const { signal, target, model, arm, requests } of unmeasured.values()) {
      const place = `${signal} ${placeOf({ target, model })}`;
      const none = blind.get(place) ?? { signal, target, model, candidateRequests: 0, controlRequests: 0 };
      none[arm === 'candidate' ? 'candidateRequests' : 'controlRequests'] += requests;
      blind.set(place, none);
    }
    return {
      slices: [...slices.values()].toSorted(byPlace),
      unmeasured: [...blind.values()].toSorted(bySignal),
      samples: summed(samples.values()).toSorted(bySignal),
    };
  }

  override async assignments(rollout: string, signal: string | null): Promise<readonly Assigned[]> {
    const { samples, arms } = this.rows.of(rollout);
    const counted =
      signal === null
        ? [...arms.values()]
            .filter(({ shareBp }) => shareBp > 0 && shareBp < 10_000)
            .map(({ target, shareBp, arm, requests, unassigned }) => ({
              target,
              shareBp,
              candidate: arm === 'candidate' ? requests - unassigned : 0,
              control: arm === 'control' ? requests - unassigned : 0,
            }))
        : [...samples.values()].filter((row) => row.signal === signal);
    const sums = new Map<string, { target: string; shareBp: number; candidate: number; control: number }>();
    for (const { target, shareBp, candidate, control } of counted) {
      const sum = sums.get(`${target} ${shareBp}`) ?? { target, shareBp, candidate: 0, control: 0 };
      sum.candidate += candidate;
      sum.control += control;
      sums.set(`${target} ${shareBp}`, sum);
    }
    return [...sums.values()].toSorted((a, b) => compare(a.target, b.target) || a.shareBp - b.shareBp);
  }

  override async comparisons(rollout: string): Promise<readonly Compared[]> {
    return this.rows.compared
      .filter((fact) => fact.rollout === rollout)
      .map(({ signal, left, right, pairs, leftOnly, rightOnly, lastAt }) => ({
        signal,
        left,
        right,
        pairs,
        leftOnly,
        rightOnly,
        lastAt,
      }));
  }

  override async totals(rollout: string): Promise<RolloutTotals> {
    const { badCounts } = this.rows.of(rollout);
    const bad = new Map<string, Place & { signal: string; candidateBad: number; controlBad: number }>();
    for (const { signal, target, model, arm, bad: count } of badCounts.values()) {
      const place = `${signal} ${placeOf({ target, model })}`;
      const cell = bad.get(place) ?? { signal, target, model, candidateBad: 0, controlBad: 0 };
      cell[arm === 'candidate' ? 'candidateBad' : 'controlBad'] += count;
      bad.set(place, cell);
    }
    return { ...(await this.requests(rollout)), bad: [...bad.values()].toSorted(bySignal) };
  }

  override async activation(rollout: string): Promise<readonly SliceActivation[]> {
    return [...this.rows.of(rollout).units.values()]
      .map(({ target, model, units }) => ({ target, model, units: units.size }))
      .toSorted(byPlace);
  }

  override async violations(rollout: string, signal: string, options: ViolationOptions): Promise<ViolationReport> {
    const rows = this.rows.of(rollout);
    const counts = (target: string): boolean => options.targets?.includes(target) ?? true;
    const isMeant = ({ signal: name, arm, target }: Pick<ViolationRow, 'signal' | 'arm' | 'target'>): boolean =>
      name === signal && arm === 'candidate' && counts(target);
    const { signal: _, ...first } = rows.violations.find(isMeant) ?? { signal };
    return {
      candidate: groupsOf([...rows.violationCounts.values()].filter(isMeant)),
      elsewhere: groupsOf(this.#elsewhere(rows, signal, options)),
      first: 'target' in first ? first : undefined,
    };
  }

  /** Whatever did not run the candidate, before the rollout as well as beside it. */
  #elsewhere(
    { rollout, arms }: RolloutRows,
    signal: string,
    { lookBackMs, now, targets }: ViolationOptions,
  ): readonly Violated[] {
    if (rollout === undefined) return [];
    const where = new Set(targets ?? [...arms.values()].map(({ target }) => target));
    const since = now - lookBackMs;
    return [...this.rows.violationsSeen.values()].filter((seen) => {
      if (seen.signal !== signal || seen.lastAt < since || seen.minute < since - MINUTE_MS) return false;
      const revisions = JSON.parse(seen.revisions) as Readonly<Record<string, number>>;
      return where.has(seen.target) && revisions[rollout.config] !== rollout.candidate;
    });
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
      anyAt: this.rows.targetsSeen.get(target)?.lastAt,
      flowingSince: this.rows.targetsSeen.get(target)?.flowingSince,
      leftover: this.rows.of(rollout).leftoverOf(target),
      measured: Object.fromEntries(this.rows.signalsSeen.get(target) ?? []),
    }));
  }

  override async traffic(options: { readonly now: number; readonly spanMs: number }): Promise<Traffic> {
    return trafficOf(this.rows, options);
  }

  override async toldArms(rollout: string): Promise<readonly string[]> {
    return [...this.rows.of(rollout).toldArms].toSorted();
  }

  override async before(asked: ObservedAsked): Promise<readonly ObservedTotals[]> {
    const [first, last] = wholeMinutes(asked);
    const sums = new Map<string, ObservedTotals>();
    for (const row of this.rows.observed.values()) {
      const { signal, target, model, minute, requests, bad, valueCount, valueSum } = row;
      if (!asked.signals.includes(signal) || !asked.targets.includes(target)) continue;
      if (minute < first || minute > last) continue;
      const place = `${signal} ${placeOf(row)}`;
      const sum = sums.get(place) ?? { signal, target, model, requests: 0, bad: 0, valueCount: 0, valueSum: 0 };
      sums.set(place, {
        ...sum,
        requests: sum.requests + requests,
        bad: sum.bad + bad,
        valueCount: sum.valueCount + valueCount,
        valueSum: sum.valueSum + valueSum,
      });
    }
    return [...sums.values()].toSorted(bySignal);
  }

  override async advanceBake(
    rollout: string,
    track: string,
    stage: string,
    callersNow: number,
    covered: Span | undefined,
    maxGapMs: number,
  ): Promise<number> {
    const now = this.bakeClock?.now() ?? callersNow;
    const { bakes } = this.rows.of(rollout);
    const span = covered ?? { from: now, until: now };
    const times = [now, span.from, Math.min(now, span.until), maxGapMs].map(Math.round);
    const [at = 0, from = 0, until = 0, gapMs = 0] = times;
    const known = bakes.get(`${track} ${stage}`);
    if (known === undefined) {
      bakes.set(`${track} ${stage}`, { track, stage, bakedMs: 0, advancedAt: at, coveredUntil: at, lookedSince: at });
      return 0;
    }
    if (at - known.advancedAt > gapMs) known.lookedSince = at - gapMs;
    known.bakedMs += Math.max(0, until - Math.max(from, known.coveredUntil, known.lookedSince));
    known.coveredUntil = Math.max(known.coveredUntil, until);
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
