import { createHash } from 'node:crypto';
import type { InstanceCount } from '#libs/domain';

type Slice = { readonly target: string; readonly model: string };
type Cell = Slice & {
  readonly signal: string;
  readonly shareBp: number;
  candidateBad: number;
  controlBad: number;
  candidateRequests: number;
  controlRequests: number;
  readonly drawn?: number;
  readonly instances?: InstanceCount[];
};
/** As stored looks have it: of their JSON. */
const digestOf = (cells: readonly Cell[]): string => createHash('sha256').update(JSON.stringify(cells)).digest('hex');

type Look = { readonly look: number; readonly at: number; readonly digest: string; readonly cells: readonly Cell[] };
type Span = { readonly from: number; readonly until: number };
type Bake = { readonly track: string; readonly stage: string } & {
  bakedMs: number;
  lookedAt: number;
  lookedSince: number;
  coveredUntil: number;
};
type Totals = Slice & { candidateRequests: number; controlRequests: number; readonly unassigned: number };
type Unmeasured = Slice & { readonly signal: string; candidateRequests: number; controlRequests: number };
type Violation = Slice & {
  readonly instance: string;
  readonly request: string | undefined;
  readonly reporter: string;
  readonly at: number;
};
type Compared = {
  readonly signal: string;
  readonly left: string;
  readonly right: string;
  readonly pairs: number;
  readonly leftOnly: number;
  readonly rightOnly: number;
  readonly lastAt: number;
};
type Revisions = Readonly<Record<string, number>>;
type SeenViolation = Violation & { readonly signal: string; readonly revisions: Revisions };
type Candidate = { readonly config: string; readonly revision: number };
type LookBack = { readonly lookBackMs: number; readonly now: number; readonly targets?: readonly string[] };

/** What was served on one slice of one rollout in one window that ended at `at` and lasted `ms` (epoch ms). */
export type Served = Slice & {
  readonly rollout: string;
  readonly candidate: Candidate;
  readonly shareBp: number;
  readonly candidateRequests: number;
  readonly controlRequests: number;
  /** Signal → bad outcomes by arm. */
  readonly bad: Readonly<Record<string, { readonly candidate: number; readonly control: number }>>;
  readonly at: number;
  readonly ms: number;
  /** The control was asked for there before this window: what came to the candidate is left over. */
  readonly isLeaving?: boolean;
  /** Of a config assigned by instance: how many were drawn from, and signal → what each instance served. */
  readonly draw?: { readonly drawn: number; readonly served: Readonly<Record<string, readonly InstanceCount[]>> };
  /** Signals that were measured, and those of the plan that were not. Default: every one was. */
  readonly signals?: { readonly measured: readonly string[]; readonly missing: readonly string[] };
};

type Left = { requests: number; units: number; readonly firstAt: number; lastAt: number };
type Seen = { candidateAt: number | undefined; anyAt: number | undefined; leftover: Left | undefined };

/** Counting units stops here. */
const MOST_UNITS = 512;

class Rollout {
  readonly pending = new Map<string, Cell>();
  readonly looks: Look[] = [];
  readonly totals = new Map<string, Totals>();
  readonly unmeasured = new Map<string, Unmeasured>();
  /** Target and model → instances seen on the candidate, where instances are drawn. */
  readonly instances = new Map<string, Set<string>>();
  readonly seen = new Map<string, Seen>();
  readonly bakes = new Map<string, Bake>();
  readonly violations: SeenViolation[] = [];
  candidate: Candidate | undefined;
  compared: readonly Compared[] = [];
  look = 0;
}

const added = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const known = map.get(key) ?? make();
  map.set(key, known);
  return known;
};

const one = ({ target, revisions }: SeenViolation) => ({ target, revisions, violations: 1 });

/** Windows that are no further apart follow each other without a gap. */
const TOUCHING_MS = 250;

/** The last span without a gap. */
const extend = (spans: Map<string, Span>, key: string, { from, until }: Span): void => {
  const before = spans.get(key);
  const follows = before !== undefined && from <= before.until + TOUCHING_MS;
  spans.set(key, { from: follows ? before.from : from, until });
};

/** What sources counted before a rollout. */
type Observed = {
  readonly signal: string;
  readonly target: string;
  readonly model: string;
  readonly requests: number;
  readonly bad: number;
};

/** What a source counted of a signal since the rollout started. */
type Sampled = Slice & { readonly signal: string; readonly candidate: number; readonly control: number };

/** Evidence in memory, one evaluation's worth at a time; each request counts as a unit of its own. */
export class MemoryEvidence {
  readonly #rollouts = new Map<string, Rollout>();
  readonly #traffic = new Map<string, number>();
  readonly #rates = new Map<string, Slice & { readonly requestsPerSecond: number }>();
  readonly #measured = new Map<string, Map<string, Span>>();
  readonly #violations: SeenViolation[] = [];

  /** What sources counted, whenever that was. */
  observed: readonly Observed[] = [];

  before({ signals }: { readonly signals: readonly string[] }): Promise<readonly Observed[]> {
    return Promise.resolve(this.observed.filter(({ signal }) => signals.includes(signal)));
  }

  /** Signals of which a source said which revision served what it counted. */
  told: readonly string[] = [];

  toldArms(): Promise<readonly string[]> {
    return Promise.resolve(this.told);
  }

  /** Requests were served; those on the candidate of a rollout that was taken back have share 0. */
  serve(served: Served): void {
    const { rollout: id, target, model, shareBp, candidateRequests, controlRequests, at } = served;
    const rollout = this.#of(id);
    rollout.candidate = served.candidate;
    const key = `${target} ${model}`;
    const totals = added(rollout.totals, key, () => ({
      target,
      model,
      candidateRequests: 0,
      controlRequests: 0,
      unassigned: 0,
    }));
    if (shareBp > 0) {
      totals.candidateRequests += candidateRequests;
      totals.controlRequests += controlRequests;
      for (const [signal, { candidate, control }] of Object.entries(served.bad)) {
        const cell = added(rollout.pending, `${signal} ${key} ${shareBp}`, () => ({
          target,
          model,
          signal,
          shareBp,
          candidateBad: 0,
          controlBad: 0,
          candidateRequests: 0,
          controlRequests: 0,
          ...(served.draw && { drawn: served.draw.drawn, instances: [] }),
        }));
        const instances = served.draw?.served[signal] ?? [];
        cell.instances?.push(...instances);
        const onCandidate = instances.filter(
          ([, place, count]) => count > 0 && (place === 'chosen' || place === 'kept'),
        );
        const units = added(rollout.instances, key, () => new Set<string>());
        for (const [name] of onCandidate) units.add(name);
        cell.candidateBad += candidate;
        cell.controlBad += control;
        cell.candidateRequests += candidateRequests;
        cell.controlRequests += controlRequests;
      }
      for (const signal of served.signals?.missing ?? []) {
        const none = { target, model, signal, candidateRequests: 0, controlRequests: 0 };
        const blind = added(rollout.unmeasured, `${signal} ${key}`, () => none);
        blind.candidateRequests += candidateRequests;
        blind.controlRequests += controlRequests;
      }
    }
    const seen = added(rollout.seen, target, () => ({
      candidateAt: undefined,
      anyAt: undefined,
      leftover: undefined,
    }));
    if (candidateRequests > 0) seen.candidateAt = at;
    if (served.isLeaving === true && candidateRequests > 0) {
      seen.leftover ??= { requests: 0, units: 0, firstAt: at - served.ms, lastAt: at };
      seen.leftover.requests += candidateRequests;
      seen.leftover.units = Math.min(MOST_UNITS, seen.leftover.units + candidateRequests);
      seen.leftover.lastAt = at;
    }
    this.#rates.set(target, {
      target,
      model,
      requestsPerSecond: (candidateRequests + controlRequests) / (served.ms / 1_000),
    });
    if (candidateRequests + controlRequests > 0) {
      seen.anyAt = at;
      const span = { from: at - served.ms, until: at };
      this.#traffic.set(target, at);
      const measured = added(this.#measured, target, () => new Map<string, Span>());
      for (const signal of served.signals?.measured ?? ['*']) extend(measured, signal, span);
    }
  }

  /** An invariant was violated under these revisions, while these rollouts ran there. */
  violate(signal: string, violation: Violation, revisions: Revisions, rollouts: readonly string[]): void {
    const seen = { ...violation, signal, revisions };
    this.#violations.push(seen);
    for (const id of rollouts) {
      const { candidate, violations } = this.#of(id);
      if (candidate && revisions[candidate.config] === candidate.revision) violations.push(seen);
    }
  }

  async takeLook(id: string, at: number) {
    const requests = await this.requests(id);
    return { look: this.#look(id, at), requests };
  }

  #look(id: string, at: number): Look {
    const rollout = this.#of(id);
    rollout.look += 1;
    const cells = [...rollout.pending.values()];
    rollout.pending.clear();
    const look = { look: rollout.look, at, digest: digestOf(cells), cells };
    if (cells.length > 0) rollout.looks.push(look);
    return look;
  }

  async readLooks(id: string, afterLook: number, most?: number): Promise<readonly Look[]> {
    return this.#of(id)
      .looks.filter(({ look }) => look > afterLook)
      .slice(0, most);
  }

  async requests(id: string) {
    const { totals, unmeasured } = this.#of(id);
    const copies = <T extends object>(from: ReadonlyMap<string, T>): T[] =>
      [...from.values()].map((each) => ({ ...each }));
    const samples: readonly Sampled[] = [];
    return { slices: copies(totals), unmeasured: copies(unmeasured), samples };
  }

  async assignments(): Promise<readonly never[]> {
    return [];
  }

  /** The same work was done on two targets, so often since the rollout started. */
  compare(id: string, compared: readonly Compared[]): void {
    this.#of(id).compared = compared;
  }

  async comparisons(id: string): Promise<readonly Compared[]> {
    return this.#of(id).compared;
  }

  async activation(id: string): Promise<readonly (Slice & { readonly units: number })[]> {
    const { totals, instances } = this.#of(id);
    return [...totals.values()].map(({ target, model, candidateRequests }) => {
      const drawn = instances.get(`${target} ${model}`)?.size ?? 0;
      return { target, model, units: drawn > 0 ? drawn : candidateRequests };
    });
  }

  async violations(id: string, signal: string, { lookBackMs, now, targets }: LookBack) {
    const { candidate, violations, seen } = this.#of(id);
    const mine = violations.filter((each) => each.signal === signal && (targets?.includes(each.target) ?? true));
    const there = targets ?? [...seen.keys()];
    const elsewhere = this.#violations.filter(
      (each) =>
        candidate !== undefined &&
        each.signal === signal &&
        each.at >= now - lookBackMs &&
        there.includes(each.target) &&
        each.revisions[candidate.config] !== candidate.revision,
    );
    return { candidate: mine.map(one), elsewhere: elsewhere.map(one), first: mine[0] };
  }

  async lastSeen(id: string, also: readonly string[] = []) {
    const { seen } = this.#of(id);
    return [...new Set([...seen.keys(), ...also])].map((target) => ({
      target,
      candidateAt: seen.get(target)?.candidateAt,
      anyAt: this.#traffic.get(target),
      flowingSince: undefined,
      leftover: seen.get(target)?.leftover,
      measured: Object.fromEntries(this.#measured.get(target) ?? []),
    }));
  }

  /** As of the last window of each target. */
  async traffic() {
    return { requests: [...this.#rates.values()], bad: [] };
  }

  async advanceBake(id: string, track: string, stage: string, now: number, covered: Span | undefined, gapMs: number) {
    const times = { lookedAt: now, lookedSince: now, coveredUntil: now };
    const bake = added(this.#of(id).bakes, `${track}/${stage}`, () => ({ track, stage, bakedMs: 0, ...times }));
    if (now - bake.lookedAt > gapMs) bake.lookedSince = now - gapMs;
    const { from, until } = covered ?? { from: now, until: now };
    const reached = Math.min(now, until);
    bake.bakedMs += Math.max(0, reached - Math.max(from, bake.coveredUntil, bake.lookedSince));
    bake.coveredUntil = Math.max(bake.coveredUntil, reached);
    bake.lookedAt = Math.max(bake.lookedAt, now);
    return bake.bakedMs;
  }

  async bakedMs(id: string) {
    return [...this.#of(id).bakes.values()].map(({ track, stage, bakedMs }) => ({ track, stage, bakedMs }));
  }

  onEvidence(): () => void {
    return () => undefined;
  }

  #of(id: string): Rollout {
    return added(this.#rollouts, id, () => new Rollout());
  }
}
