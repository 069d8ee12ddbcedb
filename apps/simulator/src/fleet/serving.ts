import { createRandom, inShare, seedOf, type Random } from '../random.js';
import { baseRate, sliceHas, sliceHasTarget, type Fault, type FleetTarget, type Scenario } from '../scenario/index.js';
import { faultTruth, type FaultTruth, type TargetTruth } from './ground-truth.js';
import { createMeasuring, type Measured } from './measuring.js';
import type { Units } from './units.js';

/** What one request turned out to be. */
export type Outcome = {
  readonly revisions: readonly number[];
  readonly bad: readonly string[];
  readonly values: readonly Measured[];
};

/** How one instance serves requests: ordinary mistakes, scripted faults, sticky sessions. */
export type Serving = {
  /**
   * @param unit index of the unit at this instance, or -1 for a request without a key
   * @param model index into the target's models
   * @param evaluated the revision that the official client gave for each config of the scenario; 0: none
   * @param now ms since 1970
   * @param letsGo config by config: sessions are not to stick to what they had; default: they may
   */
  readonly serve: (
    unit: number,
    model: number,
    evaluated: readonly number[],
    now: number,
    letsGo?: readonly boolean[],
  ) => Outcome;
  readonly setFaults: (faults: readonly Fault[]) => void;
};

/** A session on the faulty revision: when it was last evaluated to it, and the requests it may make once it is not. */
type Session = { at: number; left: number };

type ActiveFault = {
  readonly fault: Fault;
  readonly config: number;
  readonly signal: number;
  /** Index of the value that it changes; below 0: it makes requests bad. */
  readonly value: number;
  readonly seed: number;
  /** By model: chance of a bad answer; undefined: out of reach. */
  readonly chance: readonly (number | undefined)[];
  readonly sessions: Map<number, Session>;
  readonly truth: FaultTruth & { readonly who: Set<number> };
};

export type ServingOptions = {
  readonly scenario: Scenario;
  readonly target: FleetTarget;
  readonly units: Units;
  readonly truth: TargetTruth;
  readonly random: Random;
};

/** What a request is made into: indices of signals that are bad, and by index what values are multiplied by. */
type Made = { readonly bad: number[]; readonly factors: number[] };

const NO_BAD: readonly string[] = [];

const chances = (fault: Fault, scenario: Scenario, target: FleetTarget): (number | undefined)[] =>
  target.models.map(({ name }) => {
    if (!sliceHas(fault.where, target, name)) return undefined;
    if (fault.times !== undefined) return fault.rate ?? 1;
    if (fault.rate !== undefined) return fault.rate;
    const signal = scenario.signals.find((candidate) => candidate.name === fault.signal);
    const base = signal ? baseRate(signal, target, name) : 0;
    // Together with the ordinary chance this makes base × ratio, as two independent causes.
    return base >= 1 ? 0 : Math.min(1, (base * ((fault.ratio ?? 1) - 1)) / (1 - base));
  });

/** Whether a session whose evaluation has moved away is still on the faulty revision. */
const stillThere = ({ fault, sessions }: ActiveFault, unit: number, now: number): boolean => {
  const session = sessions.get(unit);
  if (session === undefined || fault.sticky === undefined) return false;
  const over = 'for' in fault.sticky ? now - session.at >= fault.sticky.for : session.left <= 0;
  if (over) sessions.delete(unit);
  session.left -= 1;
  return !over;
};

export const createServing = ({ scenario, target, units, truth, random }: ServingOptions): Serving => {
  const ordinary = scenario.signals.map((signal) => ({
    name: signal.name,
    seed: seedOf(scenario.seed, 'always-broken', signal.name, target.target),
    alwaysBroken: signal.alwaysBroken,
    rates: target.models.map(({ name }) => baseRate(signal, target, name)),
  }));
  const measure = createMeasuring(scenario, random);
  let active: readonly ActiveFault[] = [];

  const activate = (fault: Fault): ActiveFault => ({
    fault,
    config: scenario.configs.findIndex(({ name }) => name === fault.config),
    signal: scenario.signals.findIndex(({ name }) => name === fault.signal),
    value: scenario.values.findIndex(({ name }) => name === fault.signal),
    seed: seedOf(scenario.seed, 'fault', fault.name, target.target),
    chance: chances(fault, scenario, target),
    sessions: active.find((known) => known.fault.name === fault.name)?.sessions ?? new Map<number, Session>(),
    truth: faultTruth(truth, fault.name),
  });

  const ordinaryBad = (unit: number, model: number): number[] => {
    const bad: number[] = [];
    for (const [index, { name, seed, alwaysBroken, rates }] of ordinary.entries()) {
      const broken = unit >= 0 && alwaysBroken > 0 && inShare(seed, units.number(unit), alwaysBroken);
      if (!broken && random.next() >= (rates[model] ?? 0)) continue;
      bad.push(index);
      truth.ordinaryBad.set(name, (truth.ordinaryBad.get(name) ?? 0) + 1);
    }
    return bad;
  };

  const hit = (fault: ActiveFault, unit: number, made: Made, now: number, after: boolean): void => {
    if (fault.value >= 0) made.factors[fault.value] = (made.factors[fault.value] ?? 1) * (fault.fault.times ?? 1);
    else if (made.bad.includes(fault.signal)) return;
    else made.bad.push(fault.signal);
    if (after) fault.truth.badAfterRollback += 1;
    else fault.truth.badOnCandidate += 1;
    fault.truth.firstBadAt ??= now;
    fault.truth.lastBadAt = now;
    if (unit >= 0) fault.truth.who.add(units.number(unit));
  };

  const exposed = (fault: ActiveFault, unit: number, chance: number, made: Made, now: number): void => {
    fault.truth.exposed += 1;
    fault.truth.firstExposedAt ??= now;
    if (now - fault.truth.firstExposedAt < fault.fault.from) return;
    const reach = fault.fault.units;
    if (reach < 1 && (unit < 0 || !inShare(fault.seed, units.number(unit), reach))) return;
    const stuck = fault.sessions.has(unit);
    if (!stuck && random.next() >= chance) return;
    hit(fault, unit, made, now, false);
    const { sticky } = fault.fault;
    if (sticky && unit >= 0) fault.sessions.set(unit, { at: now, left: 'requests' in sticky ? sticky.requests : 0 });
  };

  const serve: Serving['serve'] = (unit, model, evaluated, now, letsGo = []) => {
    const made: Made = { bad: ordinaryBad(unit, model), factors: [] };
    let revisions = evaluated;
    for (const fault of active) {
      const chance = fault.chance[model];
      if (chance === undefined) continue;
      if (evaluated[fault.config] === fault.fault.revision) {
        exposed(fault, unit, chance, made, now);
        continue;
      }
      if (fault.sessions.size === 0) continue;
      if (letsGo[fault.config] === true) fault.sessions.delete(unit);
      if (!stillThere(fault, unit, now)) continue;
      revisions = revisions.with(fault.config, fault.fault.revision);
      hit(fault, unit, made, now, true);
    }
    const bad = made.bad.map((index) => scenario.signals[index]?.name ?? '');
    return { revisions, bad: bad.length === 0 ? NO_BAD : bad, values: measure(made.factors) };
  };

  const setFaults = (faults: readonly Fault[]): void => {
    active = faults.filter(({ where }) => sliceHasTarget(where, target)).map(activate);
  };
  setFaults(scenario.faults);
  return { serve, setFaults };
};

/** Draws a model by its weight. */
export const createModelChooser = (target: FleetTarget, random: Random): (() => number) => {
  const total = target.models.reduce((sum, { weight }) => sum + weight, 0);
  let below = 0;
  const limits = target.models.map(({ weight }) => (below += weight) / total);
  return () => {
    const draw = random.next();
    const index = limits.findIndex((limit) => draw < limit);
    return index < 0 ? limits.length - 1 : index;
  };
};

/** Chance of one instance; its own stream, so that adding an instance changes no other. */
export const instanceRandom = (scenario: Scenario, instance: string): Random =>
  createRandom(seedOf(scenario.seed, 'instance', instance));
