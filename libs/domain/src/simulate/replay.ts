import { checkExpectations, type Check } from './expect.js';
import { realHarm, type RealHarm } from './reality.js';
import { originsOf, reportChange, type ChangeReport, type Origin } from './report.js';
import type { Scenario, ScenarioChange } from './scenario.js';
import { World, type SimulatedChange, type Simulation } from './world.js';

export type ReplayReport = {
  readonly name: string;
  readonly title: string;
  readonly seed: number;
  readonly from: number;
  readonly until: number;
  /** In the order of the script; a comparison stands after the change that it belongs to. */
  readonly changes: readonly ChangeReport[];
  readonly checks: readonly Check[];
  readonly origins: readonly Origin[];
  /** What was worked through: windows of virtual time, requests and bad outcomes in slices with an open rollout. */
  readonly worked: { readonly windows: number; readonly requests: number; readonly bad: number };
};

const NOTHING: RealHarm = { requests: 0, units: 0, affected: 0, affectedUnits: 0, byPlatform: {}, span: null };

/** One change alone under another plan, with what was live already. */
const alone = (scenario: Scenario, change: ScenarioChange, plan: string): Scenario => ({
  ...scenario,
  from: Math.max(scenario.from, change.startsAt - 3_600_000),
  changes: [...scenario.changes.filter(({ imported }) => imported), { ...change, plan, revisionOf: null }],
});

const seenIn = (simulation: Simulation, change: string): SimulatedChange | undefined =>
  simulation.changes.find((one) => one.change.change === change);

/**
 * Plays a scenario through the deciders and the gate on a virtual clock, and sets beside each change what really
 * happened to it. The same scenario and seed give the same report.
 */
export const replay = (scenario: Scenario): ReplayReport => {
  const main = new World(scenario).play();
  const real = realHarm(scenario);
  const worked = { windows: main.windows, ...main.drawn };
  const changes = scenario.changes.flatMap((change): ChangeReport[] => {
    const really = real.get(change.change) ?? NOTHING;
    const one = seenIn(main, change.change);
    const own = one ? [reportChange(one, scenario, really, false)] : [];
    const comparisons = change.alsoWith.flatMap((plan) => {
      const compared = alone(scenario, change, plan);
      const simulation = new World(compared).play();
      worked.windows += simulation.windows;
      worked.requests += simulation.drawn.requests;
      worked.bad += simulation.drawn.bad;
      const other = seenIn(simulation, change.change);
      return other ? [reportChange(other, compared, really, true)] : [];
    });
    return [...own, ...comparisons];
  });
  const { name, title, seed, from, until } = scenario;
  const checks = checkExpectations(scenario.expect, changes);
  return { name, title, seed, from, until, changes, checks, origins: originsOf(scenario), worked };
};
