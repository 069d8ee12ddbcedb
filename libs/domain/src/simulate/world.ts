import type { Rejection } from '#libs/kernel';
import { letGoOf } from '../rollout/index.js';
import { Chance } from './chance.js';
import { HarmCount } from './harm.js';
import { liveShare, Outcomes, type LiveChange } from './outcomes.js';
import { Probes, type ProbeCounts } from './probes.js';
import { ConfigRegistry } from './registry.js';
import { SimulatedRollout } from './run.js';
import { isIn, slicesOf, type Scenario, type ScenarioChange, type Slice } from './scenario.js';

type ExposurePoint = { readonly at: number; readonly platform: string; readonly share: number };

/** How one change went in a simulation. */
export type SimulatedChange = LiveChange & {
  readonly refused: Rejection | null;
  readonly probes: ProbeCounts;
  /** Share of traffic by platform over time: a point for each change of it. */
  readonly exposure: readonly ExposurePoint[];
  /** Other changes that were live on the same slices when this one was taken back. */
  readonly alongside: readonly { readonly change: string; readonly share: number }[];
};

export type Simulation = {
  readonly changes: readonly SimulatedChange[];
  readonly windows: number;
  readonly drawn: { readonly requests: number; readonly bad: number };
};

type Live = { -readonly [K in keyof SimulatedChange]: SimulatedChange[K] } & { exposure: ExposurePoint[] };

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
  readonly #slices: readonly Slice[];
  readonly #outcomes: Outcomes;
  readonly #registry: ConfigRegistry;
  readonly #probes: Probes;
  readonly #live = new Map<string, Live>();
  #position = 0;
  #windows = 0;

  constructor(scenario: Scenario) {
    const chance = new Chance(scenario.seed);
    this.#scenario = scenario;
    this.#slices = slicesOf(scenario);
    this.#outcomes = new Outcomes(scenario, chance);
    this.#registry = new ConfigRegistry(scenario, () => this.#nextPosition());
    this.#probes = new Probes(scenario, chance);
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
    return { changes: order, windows: this.#windows, drawn: this.#outcomes.drawn };
  }

  #nextPosition(): number {
    this.#position += 1;
    return this.#position;
  }

  #windowMs(now: number): number {
    let shortest = IDLE_WINDOW_MS;
    for (const { run } of this.#live.values()) {
      if (run?.isOpen === true) shortest = Math.min(shortest, windowFor(now - run.movedAt));
    }
    return shortest;
  }

  #begin(change: ScenarioChange | undefined, now: number): void {
    if (!change) return;
    const probes = this.#probes.countsOf(change.change);
    const begun = { revision: null, refused: null, harm: new HarmCount(), probes, exposure: [], alongside: [] };
    const live: Live = { change, run: null, ...begun };
    this.#live.set(change.change, live);
    if (change.imported) {
      live.revision = this.#registry.import(change);
      return;
    }
    const id = `rollout-${change.change}`;
    const prepared = this.#registry.prepare(change, id);
    if ('rejection' in prepared) {
      live.refused = prepared.rejection;
      return;
    }
    const targets = new Map(this.#scenario.targets.map((target) => [target.target, target]));
    const signals = new Map(this.#scenario.signals.map((signal) => [signal.signal, signal]));
    live.revision = prepared.revision;
    live.run = new SimulatedRollout({
      ...prepared,
      id,
      change,
      targets,
      signals,
      nextPosition: () => this.#nextPosition(),
    });
    live.run.start(now);
  }

  #window(from: number, now: number): void {
    const windowMs = now - from;
    this.#windows += 1;
    this.#outcomes.draw(this.#live, { middle: from + windowMs / 2, now, windowMs });
    const open = [...this.#live.values()].filter(({ run }) => run?.isOpen === true);
    this.#probes.run(open, now);
    for (const live of open) this.#step(live, now, windowMs);
    for (const live of this.#live.values()) this.#noteExposure(live, now);
  }

  #step(live: Live, now: number, windowMs: number): void {
    const { run } = live;
    const before = run?.rollout;
    run?.step(now, windowMs, this.#outcomes.violations);
    const after = run?.rollout;
    if (!run || !before || !after) return;
    if (before.status !== 'rolling-back' && after.status === 'rolling-back')
      live.alongside = this.#alongside(live, now);
    const held = letGoOf(before);
    const free = letGoOf(after).filter((target) => !held.includes(target));
    if (free.length > 0) this.#registry.release(live.change, after, free);
  }

  #alongside(live: Live, now: number): SimulatedChange['alongside'] {
    const reached = this.#slices.filter(({ target }) => live.run?.deliveries.has(target.target));
    return [...this.#live.values()].flatMap((other) => {
      if (other === live) return [];
      const share = Math.max(0, ...reached.map((slice) => liveShare(other, slice, now)));
      return share > 0 ? [{ change: other.change.change, share }] : [];
    });
  }

  #noteExposure(live: Live, at: number): void {
    const sums = new Map<string, { share: number; traffic: number }>();
    for (const slice of this.#slices) {
      if (live.run !== null && !live.run.deliveries.has(slice.target.target)) continue;
      if (live.run === null && !live.change.really.some(({ where }) => isIn(where, slice))) continue;
      const sum = sums.get(slice.target.platform) ?? { share: 0, traffic: 0 };
      sum.share += liveShare(live, slice, at) * slice.perSecond;
      sum.traffic += slice.perSecond;
      sums.set(slice.target.platform, sum);
    }
    for (const [platform, { share, traffic }] of sums) {
      const last = live.exposure.findLast((point) => point.platform === platform);
      if (Math.abs((last?.share ?? 0) - share / traffic) > 1e-6)
        live.exposure.push({ at, platform, share: share / traffic });
    }
  }
}
