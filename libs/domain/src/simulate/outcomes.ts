import { LOOK_BACK_MS, violationsOfArms, type OnTrial } from '../verdicts/index.js';
import type { Chance } from './chance.js';
import type { HarmCount } from './harm.js';
import { realShare } from './reality.js';
import type { SimulatedRollout, ViolationCounter } from './run.js';
import {
  slicesOf,
  trafficAt,
  type Scenario,
  type ScenarioChange,
  type ScenarioSignal,
  type Slice,
} from './scenario.js';
import { harmSources, StickyRuns, type HarmSource } from './sources.js';
import { ViolationLedger, type Cause } from './violations.js';

/** A change that has started: its rollout, unless it was live before anyone looked, and the harm it has done. */
export type LiveChange = {
  readonly change: ScenarioChange;
  readonly run: SimulatedRollout | null;
  /** Null where it was refused. */
  readonly revision: number | null;
  readonly harm: HarmCount;
};

export type LiveChanges = ReadonlyMap<string, LiveChange>;

/** One window of virtual time: outcomes are drawn for its middle and known at its end. */
export type Moment = { readonly middle: number; readonly now: number; readonly windowMs: number };

/** Share of a slice's requests that run a change. Once settled it goes on as it really went. */
export const liveShare = ({ change, run }: Omit<LiveChange, 'harm'>, slice: Slice, at: number): number => {
  if (change.imported) return realShare(change, slice, at);
  if (run === null) return 0;
  const share = run.shareOn(slice.target.target, at);
  const goesOn = run.rollout?.status === 'settled' && change.really.length > 0;
  return goesOn ? Math.min(share, realShare(change, slice, at)) : share;
};

const judges = (run: SimulatedRollout, signal: string): boolean =>
  run.isJudged && run.plan.signals.some((each) => each.signal === signal);

type Violated = { readonly cause: Cause; readonly count: number; readonly at: number };
type Source = HarmSource & { readonly runs: StickyRuns };
type Struck = { readonly source: Source; readonly signal: ScenarioSignal; readonly units: number; readonly at: Moment };

/** Draws requests and bad outcomes, and gives them to every rollout that counts them. */
export class Outcomes {
  readonly #chance: Chance;
  readonly #slices: readonly Slice[];
  readonly #signals: ReadonlyMap<string, ScenarioSignal>;
  readonly #populations: ReadonlyMap<string, number>;
  readonly #sources: readonly Source[];
  readonly #ledger = new ViolationLedger();
  #live: LiveChanges = new Map();
  #requests = 0;
  #bad = 0;

  constructor(scenario: Scenario, chance: Chance) {
    this.#chance = chance;
    this.#slices = slicesOf(scenario);
    this.#signals = new Map(scenario.signals.map((signal) => [signal.signal, signal]));
    this.#populations = new Map(scenario.populations.map(({ name, units }) => [name, units]));
    this.#sources = harmSources(scenario).map((source) => ({ ...source, runs: new StickyRuns(source.fault) }));
  }

  /** Requests in slices with an open rollout, and bad outcomes that were drawn one by one. */
  get drawn(): { readonly requests: number; readonly bad: number } {
    return { requests: this.#requests, bad: this.#bad };
  }

  /** Everything that happens in one window. */
  draw(live: LiveChanges, at: Moment): void {
    this.#live = live;
    for (const slice of this.#slices) this.#traffic(slice, live, at);
    for (const source of this.#sources) this.#strike(source, live, at);
  }

  /** Violations of an invariant as the gate is told them, by the rule of the running system. */
  readonly violations: ViolationCounter = (rollout, signal, targets, now) =>
    violationsOfArms(rollout, signal, this.#ledger.seenBy(rollout, signal, targets, now - LOOK_BACK_MS), this.#onTrial);

  readonly #onTrial: OnTrial = (target, config, revision) => {
    for (const { change, run, revision: brought } of this.#live.values()) {
      if (change.config !== config || brought !== revision || run?.deliveries.has(target) !== true) continue;
      if (!run.isOpen && run.rollout?.status !== 'rolled-back') continue;
      const shareBp = run.rollout?.targets[target]?.wanted?.shareBp ?? 0;
      return { shareBp, isJudgedBy: (signal) => judges(run, signal) };
    }
    return undefined;
  };

  #causeOf(needs: readonly string[]): Cause {
    return Object.fromEntries(
      needs.flatMap((name) => {
        const { change, revision = null } = this.#live.get(name) ?? {};
        return change === undefined || revision === null ? [] : [[change.config, revision]];
      }),
    );
  }

  #unitsOf({ target }: Slice): number {
    return this.#populations.get(target.population) ?? 1;
  }

  /** Requests, and the bad ones that are always there. */
  #traffic(slice: Slice, live: LiveChanges, at: Moment): void {
    const mean = (trafficAt(slice, at.middle) * at.windowMs) / 1_000;
    const { target, platform, population } = slice.target;
    const units = this.#unitsOf(slice);
    const here: SimulatedRollout[] = [];
    for (const each of live.values()) {
      const share = liveShare(each, slice, at.middle);
      const reachable = each.change.assignment === 'unit' ? units * share : units;
      if (share > 0) each.harm.addRequests(platform, population, mean * share, reachable);
      if (each.run?.isOpen === true && each.run.deliveries.has(target)) here.push(each.run);
    }
    for (const run of here) {
      const mix = run.deliveries.get(target)?.mixAt(at.middle) ?? [];
      const candidates = run.tally.addRequests(slice, mix, mean, units, this.#chance);
      const before = run.lastSeen.get(target);
      const candidateAt = candidates > 0 ? at.now : (before?.candidateAt ?? null);
      run.lastSeen.set(target, { candidateAt, anyAt: mean > 0 ? at.now : (before?.anyAt ?? null) });
    }
    if (here.length > 0) this.#requests += Math.round(mean);
    for (const signal of this.#signals.values()) {
      if (signal.probe === null && signal.base > 0)
        this.#background(slice, signal, here, { mean: mean * signal.base, at });
    }
  }

  /** Bad outcomes that have nothing to do with any change: each rollout's coins divide them anew. */
  #background(
    slice: Slice,
    signal: ScenarioSignal,
    here: readonly SimulatedRollout[],
    { mean, at }: { readonly mean: number; readonly at: Moment },
  ): void {
    const bad = this.#chance.poisson(mean);
    if (signal.type === 'invariant' && bad > 0)
      this.#ledger.add(signal.signal, slice.target.target, { cause: {}, by: null, at: at.now, count: bad });
    for (const run of here) {
      if (!judges(run, signal.signal)) continue;
      const mix = run.deliveries.get(slice.target.target)?.mixAt(at.middle) ?? [];
      if (run.change.assignment === 'request' && signal.type === 'rate') {
        run.tally.addBadRequests(slice, signal.signal, mix, mean, this.#chance);
        continue;
      }
      this.#bad += bad;
      const draw = { bad, onCandidate: false, units: this.#unitsOf(slice), chance: this.#chance };
      const { candidates } = run.tally.addBad(slice, signal, mix, draw);
      this.#violate(run, slice, signal, { cause: {}, count: candidates, at: at.now });
    }
  }

  #violate({ id }: SimulatedRollout, { target }: Slice, { type, signal }: ScenarioSignal, seen: Violated): void {
    if (type === 'invariant' && seen.count > 0) this.#ledger.add(signal, target.target, { ...seen, by: id });
  }

  /** Requests that a fault makes bad in this window, and everyone who counts them. */
  #strike(source: Source, live: LiveChanges, at: Moment): void {
    const { slice, blamed, needs, fault, rateAt, runs } = source;
    const shareOf = (name: string): number => {
      const each = live.get(name);
      return each ? liveShare(each, slice, at.middle) : 0;
    };
    const share = needs.reduce((all, name) => all * shareOf(name), 1);
    const mean = (trafficAt(slice, at.middle) * at.windowMs * share * rateAt(at.middle)) / 1_000;
    const { first, more } = runs.draw(mean, at.now, at.windowMs, this.#chance);
    const harm = live.get(blamed)?.harm;
    if (first + more === 0 || !harm) return;
    const units = this.#unitsOf(slice);
    const { platform, population, target } = slice.target;
    harm.addAffected(platform, first + more);
    this.#bad += first + more;
    const signal = fault.signal === null ? undefined : this.#signals.get(fault.signal);
    const seen = { cause: this.#causeOf(needs), by: null, at: at.now, count: first + more };
    if (signal?.type === 'invariant') this.#ledger.add(signal.signal, target, seen);
    const struck = signal ? { source, signal, units, at } : undefined;
    const known = struck ? this.#countFirst(struck, live, first) : [];
    const reachable = live.get(blamed)?.change.assignment === 'unit' ? units * shareOf(blamed) : units;
    for (let i = 0; i < first; i += 1) {
      harm.addUnit(population, units, known[i] ?? this.#chance.below(Math.max(1, Math.floor(reachable))));
    }
    if (struck && more > 0) this.#countMore(struck, live, more);
  }

  /** Counts newly hit units in every rollout there; returns their numbers in the order of the blamed change's coins. */
  #countFirst({ source, signal, units, at }: Struck, live: LiveChanges, first: number): readonly number[] {
    let known: readonly number[] = [];
    for (const { run, change } of live.values()) {
      const mix = run?.deliveries.get(source.slice.target.target)?.mixAt(at.middle);
      if (!run || !mix || !judges(run, signal.signal)) continue;
      const onCandidate = source.needs.includes(change.change);
      const draw = { bad: first, onCandidate, units, chance: this.#chance };
      const placed = run.tally.addBad(source.slice, signal, mix, draw);
      const cause = this.#causeOf(source.needs);
      this.#violate(run, source.slice, signal, { cause, count: placed.candidates, at: at.now });
      if (change.change === source.blamed) known = placed.units;
    }
    return known;
  }

  /** Further bad requests of units that were hit before: violations again, but for unit rollouts no new unit. */
  #countMore({ source, signal, at }: Struck, live: LiveChanges, more: number): void {
    const { slice } = source;
    for (const { run, change } of live.values()) {
      const mix = run?.deliveries.get(slice.target.target)?.mixAt(at.middle);
      if (!run || !mix || !judges(run, signal.signal)) continue;
      const share = run.shareOn(slice.target.target, at.middle);
      const onCandidate = source.needs.includes(change.change) ? more : this.#chance.rounded(more * share);
      this.#violate(run, slice, signal, { cause: this.#causeOf(source.needs), count: onCandidate, at: at.now });
      if (signal.type === 'rate' && change.assignment === 'request')
        run.tally.addMore(slice, signal.signal, mix, onCandidate, more - onCandidate);
    }
  }
}
