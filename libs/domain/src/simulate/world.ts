import type { Rejection } from '#libs/kernel';
import { hasLetGo } from '../rollout/index.js';
import { LOOK_BACK_MS } from '../verdicts/index.js';
import { Chance } from './chance.js';
import type { Mixed } from './delivery.js';
import { HarmCount } from './harm.js';
import { Probes, type ProbeCounts } from './probes.js';
import { realShare } from './reality.js';
import { ConfigRegistry } from './registry.js';
import { SimulatedRollout, type ViolationCounter } from './run.js';
import {
  isIn,
  slicesOf,
  trafficAt,
  type Scenario,
  type ScenarioChange,
  type ScenarioSignal,
  type Slice,
} from './scenario.js';
import { harmSources, StickyRuns, type HarmSource } from './sources.js';
import { ViolationLedger } from './violations.js';

/** How one change went in a simulation. */
export type SimulatedChange = {
  readonly change: ScenarioChange;
  readonly run: SimulatedRollout | null;
  readonly refused: Rejection | null;
  readonly harm: HarmCount;
  readonly probes: ProbeCounts;
  /** Share of traffic by platform over time: a point for each change of it. */
  readonly exposure: readonly { readonly at: number; readonly platform: string; readonly share: number }[];
  /** Other changes that were live on the same slices when this one was taken back. */
  readonly alongside: readonly { readonly change: string; readonly share: number }[];
};

export type Simulation = {
  readonly scenario: Scenario;
  readonly changes: readonly SimulatedChange[];
  readonly windows: number;
  readonly drawn: { readonly requests: number; readonly bad: number };
};

type Live = { -readonly [K in keyof SimulatedChange]: SimulatedChange[K] } & {
  exposure: { at: number; platform: string; share: number }[];
};

const SECOND = 1_000;
const MINUTE = 60_000;
const HOUR = 3_600_000;
const IDLE_WINDOW_MS = 30 * MINUTE;

/** Windows are short after each step of exposure, where most is decided, and longer the longer nothing happens. */
const windowFor = (sinceMoveMs: number): number => {
  if (sinceMoveMs < 10 * MINUTE) return 10 * SECOND;
  return sinceMoveMs < 3 * HOUR ? MINUTE : 5 * MINUTE;
};

/** Plays one scenario from its first to its last moment. */
export class World {
  readonly #scenario: Scenario;
  readonly #chance: Chance;
  readonly #slices: readonly Slice[];
  readonly #signals: ReadonlyMap<string, ScenarioSignal>;
  readonly #units: ReadonlyMap<string, number>;
  readonly #sources: readonly (HarmSource & { readonly runs: StickyRuns })[];
  readonly #ledger = new ViolationLedger();
  readonly #registry: ConfigRegistry;
  readonly #probes: Probes;
  readonly #live = new Map<string, Live>();
  #position = 0;
  #windows = 0;
  #requests = 0;
  #bad = 0;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#chance = new Chance(scenario.seed);
    this.#slices = slicesOf(scenario);
    this.#signals = new Map(scenario.signals.map((signal) => [signal.signal, signal]));
    this.#units = new Map(scenario.populations.map(({ name, units }) => [name, units]));
    this.#sources = harmSources(scenario).map((source) => ({ ...source, runs: new StickyRuns(source.fault) }));
    this.#registry = new ConfigRegistry(scenario, () => this.#nextPosition());
    this.#probes = new Probes(scenario, this.#chance);
  }

  play(): Simulation {
    const { from, until, changes } = this.#scenario;
    const waiting = changes.toSorted((a, b) => a.startsAt - b.startsAt);
    let now = from;
    while (now < until) {
      while ((waiting[0]?.startsAt ?? Number.POSITIVE_INFINITY) <= now) this.#begin(waiting.shift(), now);
      const next = Math.min(until, waiting[0]?.startsAt ?? until, now + this.#windowMs(now));
      this.#window(now, next);
      now = next;
    }
    const order = changes.flatMap(({ change }) => this.#live.get(change) ?? []);
    const drawn = { requests: this.#requests, bad: this.#bad };
    return { scenario: this.#scenario, changes: order, windows: this.#windows, drawn };
  }

  #nextPosition(): number {
    this.#position += 1;
    return this.#position;
  }

  #open(): readonly Live[] {
    return [...this.#live.values()].filter(({ run }) => run?.isOpen === true);
  }

  #windowMs(now: number): number {
    const open = this.#open().map(({ run }) => windowFor(now - (run?.movedAt ?? 0)));
    return open.length === 0 ? IDLE_WINDOW_MS : Math.min(...open);
  }

  #begin(change: ScenarioChange | undefined, now: number): void {
    if (!change) return;
    const live: Live = {
      change,
      run: null,
      refused: null,
      harm: new HarmCount(),
      probes: this.#probes.countsOf(change.change),
      exposure: [],
      alongside: [],
    };
    this.#live.set(change.change, live);
    if (change.imported) return this.#registry.import(change);
    const id = `rollout-${change.change}`;
    const prepared = this.#registry.prepare(change, id);
    if ('rejection' in prepared) {
      live.refused = prepared.rejection;
      return;
    }
    const targets = new Map(this.#scenario.targets.map((target) => [target.target, target]));
    const parts = { ...prepared, id, change, targets, signals: this.#signals };
    live.run = new SimulatedRollout({ ...parts, nextPosition: () => this.#nextPosition() });
    live.run.start(now);
  }

  /** Share of a slice's requests that run a change now. Once settled it goes on as it really went. */
  #shareOf({ change, run }: Live, slice: Slice, now: number): number {
    if (change.imported) return realShare(change, slice, now);
    if (run === null) return 0;
    const share = run.shareOn(slice.target.target, now);
    return run.rollout?.status === 'settled' && change.really.length > 0
      ? Math.min(share, realShare(change, slice, now))
      : share;
  }

  #window(from: number, now: number): void {
    const windowMs = now - from;
    const middle = from + windowMs / 2;
    this.#windows += 1;
    const open = this.#open();
    for (const slice of this.#slices) this.#traffic(slice, open, { middle, now, windowMs });
    for (const source of this.#sources) this.#strike(source, open, { middle, now, windowMs });
    this.#probes.run(open, now);
    for (const live of open) this.#step(live, now, windowMs);
    for (const live of this.#live.values()) this.#noteExposure(live, now);
  }

  /** Requests, and the bad ones that are always there. */
  #traffic(slice: Slice, open: readonly Live[], at: Moment): void {
    const mean = (trafficAt(slice, at.middle) * at.windowMs) / SECOND;
    const { target, platform, population } = slice.target;
    const units = this.#units.get(population) ?? 1;
    for (const live of this.#live.values()) {
      const share = this.#shareOf(live, slice, at.middle);
      const reachable = live.change.assignment === 'unit' ? units * share : units;
      if (share > 0) live.harm.addRequests(platform, population, mean * share, reachable);
    }
    const here = open.flatMap(({ run }) => (run?.deliveries.has(target) ? [run] : []));
    for (const run of here) {
      const mix = run.deliveries.get(target)?.mixAt(at.middle) ?? [];
      const candidates = run.tally.addRequests(slice, mix, mean, units, this.#chance);
      const before = run.lastSeen.get(target);
      run.lastSeen.set(target, {
        candidateAt: candidates > 0 ? at.now : (before?.candidateAt ?? null),
        anyAt: mean > 0 ? at.now : (before?.anyAt ?? null),
      });
    }
    if (here.length === 0) return;
    this.#requests += Math.round(mean);
    for (const signal of this.#signals.values()) {
      if (signal.probe === null && signal.base > 0) this.#background(slice, signal, here, mean * signal.base, at);
    }
  }

  #background(slice: Slice, signal: ScenarioSignal, here: readonly SimulatedRollout[], mean: number, at: Moment): void {
    const units = this.#units.get(slice.target.population) ?? 1;
    for (const run of here) {
      if (!run.isJudged || !run.plan.signals.some((each) => each.signal === signal.signal)) continue;
      const mix = run.deliveries.get(slice.target.target)?.mixAt(at.middle) ?? [];
      if (run.change.assignment === 'request' && signal.type === 'rate') {
        run.tally.addBadRequests(slice, signal.signal, mix, mean, this.#chance);
        continue;
      }
      const bad = this.#chance.poisson(mean);
      this.#bad += bad;
      for (let i = 0; i < bad; i += 1)
        this.#placeBad(run, slice, signal, { mix, onCandidate: false, units, now: at.now });
    }
  }

  #placeBad(
    run: SimulatedRollout,
    slice: Slice,
    signal: ScenarioSignal,
    where: {
      readonly mix: readonly Mixed[];
      readonly onCandidate: boolean;
      readonly units: number;
      readonly now: number;
    },
  ): number {
    const { mix, onCandidate, units, now } = where;
    const placed = run.tally.addBad(slice, signal, mix, { onCandidate, units, chance: this.#chance });
    if (signal.type === 'invariant' && placed.arm === 'candidate')
      this.#ledger.add(signal.signal, slice.target.target, run.id, now, 1);
    return placed.unit;
  }

  /** Requests that a fault makes bad in this window, and everyone who counts them. */
  #strike(source: HarmSource & { readonly runs: StickyRuns }, open: readonly Live[], at: Moment): void {
    const { slice, blamed } = source;
    const needed = source.needs.map((change) => this.#live.get(change));
    const share = needed.reduce((all, live) => all * (live ? this.#shareOf(live, slice, at.middle) : 0), 1);
    const mean = (trafficAt(slice, at.middle) * at.windowMs * share * source.rateAt(at.middle)) / SECOND;
    const { first, more } = source.runs.draw(mean, at.now, at.windowMs, this.#chance);
    if (first + more === 0) return;
    const harm = this.#live.get(blamed)?.harm;
    const { platform, population, target } = slice.target;
    const units = this.#units.get(population) ?? 1;
    harm?.addAffected(platform, first + more);
    this.#bad += first + more;
    const signal = source.fault.signal === null ? undefined : this.#signals.get(source.fault.signal);
    if (signal?.type === 'invariant') this.#ledger.add(signal.signal, target, null, at.now, first + more);
    for (let i = 0; i < first; i += 1) {
      const drawn = signal ? this.#count(source, signal, open, at) : undefined;
      const blamedLive = this.#live.get(blamed);
      const reachable =
        blamedLive?.change.assignment === 'unit' ? units * this.#shareOf(blamedLive, slice, at.middle) : units;
      harm?.addUnit(population, units, drawn ?? this.#chance.below(Math.max(1, reachable)));
    }
    if (signal && more > 0) this.#countMore(source, signal, open, more, at);
  }

  /** Counts one newly hit unit in every open rollout; returns its number in the order of the blamed change's coins. */
  #count(
    { slice, needs, blamed }: HarmSource,
    signal: ScenarioSignal,
    open: readonly Live[],
    at: Moment,
  ): number | undefined {
    const units = this.#units.get(slice.target.population) ?? 1;
    let drawn: number | undefined;
    for (const { run, change } of open) {
      const mix = run?.deliveries.get(slice.target.target)?.mixAt(at.middle);
      if (!run || !mix || !run.plan.signals.some((each) => each.signal === signal.signal)) continue;
      const onCandidate = needs.includes(change.change);
      const unit = this.#placeBad(run, slice, signal, { mix, onCandidate, units, now: at.now });
      if (change.change === blamed) drawn = unit;
    }
    return drawn;
  }

  /** Further bad requests of units that were hit before: violations again, for unit rollouts no new unit. */
  #countMore(
    { slice, needs }: HarmSource,
    signal: ScenarioSignal,
    open: readonly Live[],
    more: number,
    at: Moment,
  ): void {
    const { target } = slice.target;
    for (const { run, change } of open) {
      const mix = run?.deliveries.get(target)?.mixAt(at.middle);
      if (!run || !mix) continue;
      const onCandidate = needs.includes(change.change)
        ? more
        : this.#chance.rounded(more * run.shareOn(target, at.middle));
      if (signal.type === 'invariant') this.#ledger.add(signal.signal, target, run.id, at.now, onCandidate);
      else if (run.change.assignment === 'request')
        run.tally.addMore(slice, signal.signal, mix, onCandidate, more - onCandidate);
    }
  }

  #violations: ViolationCounter = (run, signal, targets, now) => {
    let [candidate, control] = [0, 0];
    for (const target of targets) {
      candidate += this.#ledger.countSince(signal, target, run.id, 0);
      const since = now - LOOK_BACK_MS;
      control +=
        this.#ledger.countSince(signal, target, null, since) - this.#ledger.countSince(signal, target, run.id, since);
    }
    return { candidate, controlInLookback: control };
  };

  #step(live: Live, now: number, windowMs: number): void {
    const { run } = live;
    if (!run) return;
    const before = run.rollout;
    run.step(now, windowMs, this.#violations);
    const after = run.rollout;
    if (!before || !after) return;
    if (before.status !== 'rolling-back' && after.status === 'rolling-back')
      live.alongside = this.#alongside(live, now);
    if (hasLetGo(before) || !hasLetGo(after)) return;
    const outcome = after.status === 'settled' ? 'settled' : 'rolled-back';
    this.#registry.release(live.change, run.id, Object.keys(after.targets), outcome);
  }

  #alongside(live: Live, now: number): SimulatedChange['alongside'] {
    const reached = this.#slices.filter(({ target }) => live.run?.deliveries.has(target.target));
    return [...this.#live.values()].flatMap((other) => {
      if (other === live) return [];
      const share = Math.max(0, ...reached.map((slice) => this.#shareOf(other, slice, now)));
      return share > 0 ? [{ change: other.change.change, share }] : [];
    });
  }

  #noteExposure(live: Live, at: number): void {
    const sums = new Map<string, { share: number; traffic: number }>();
    for (const slice of this.#slices) {
      if (live.run !== null && !live.run.deliveries.has(slice.target.target)) continue;
      if (live.run === null && !live.change.really.some(({ where }) => isIn(where, slice))) continue;
      const sum = sums.get(slice.target.platform) ?? { share: 0, traffic: 0 };
      sum.share += this.#shareOf(live, slice, at) * slice.perSecond;
      sum.traffic += slice.perSecond;
      sums.set(slice.target.platform, sum);
    }
    for (const [platform, { share, traffic }] of sums) {
      const now = share / traffic;
      const last = live.exposure.findLast((point) => point.platform === platform);
      if (Math.abs((last?.share ?? 0) - now) > 1e-6) live.exposure.push({ at, platform, share: now });
    }
  }
}

type Moment = { readonly middle: number; readonly now: number; readonly windowMs: number };
