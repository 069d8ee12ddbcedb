import type { Chance } from './chance.js';
import { valueAt, type Curve } from './curve.js';
import { isIn, slicesOf, type Scenario, type ScenarioFault, type Slice } from './scenario.js';

/** One way in which requests of one slice become bad: only where all changes of `needs` are run at once. */
export type HarmSource = {
  readonly slice: Slice;
  readonly fault: ScenarioFault;
  /** The change that is to blame for it. */
  readonly blamed: string;
  readonly needs: readonly string[];
  /** Bad share of the requests that run all of `needs`, at a virtual time. */
  readonly rateAt: (at: number) => number;
};

const startsOf = (scenario: Scenario): ReadonlyMap<string, number> =>
  new Map(scenario.changes.map(({ change, startsAt }) => [change, startsAt]));

/** Every source of harm of a scenario: its faults, and what amplifiers add to them. */
export const harmSources = (scenario: Scenario): readonly HarmSource[] => {
  const starts = startsOf(scenario);
  const since = (curve: Curve, change: string, at: number): number => valueAt(curve, at - (starts.get(change) ?? 0));
  return slicesOf(scenario).flatMap((slice) =>
    scenario.faults
      .filter(({ where, change }) => isIn(where, slice) && starts.has(change))
      .flatMap((fault): HarmSource[] => {
        const rateAt = (at: number): number => since(fault.rate, fault.change, at);
        const itself = { slice, fault, blamed: fault.change, needs: [fault.change], rateAt };
        const more = scenario.amplifiers
          .filter((amplifier) => amplifier.fault === fault.fault && starts.has(amplifier.change))
          .map(({ change, times }) => ({
            slice,
            fault,
            blamed: change,
            needs: [fault.change, change],
            rateAt: (at: number) => rateAt(at) * Math.max(0, since(times, change, at) - 1),
          }));
        return [itself, ...more];
      }),
  );
};

/**
 * Bad requests of one source that come in runs: a unit that is hit stays hit for a while. Counts how many begin, and how
 * many belong to runs that began earlier.
 */
export class StickyRuns {
  readonly #begun: { readonly at: number; readonly runs: number }[] = [];
  readonly #requests: number;
  readonly #overMs: number;

  constructor(fault: ScenarioFault) {
    this.#requests = fault.sticky?.requests ?? 1;
    this.#overMs = fault.sticky?.overMs ?? 0;
  }

  /** Draws a window that ends at `now`, in which so many bad requests are expected in the long run. */
  draw(
    expected: number,
    now: number,
    windowMs: number,
    chance: Chance,
  ): { readonly first: number; readonly more: number } {
    const first = chance.poisson(expected / this.#requests);
    if (this.#requests === 1) return { first, more: 0 };
    if (windowMs >= this.#overMs) return { first, more: chance.poisson(first * (this.#requests - 1)) };
    const gone = now - this.#overMs;
    while ((this.#begun[0]?.at ?? Number.POSITIVE_INFINITY) <= gone) this.#begun.shift();
    // Without exposure the runs end: whoever was hit is served by control again.
    if (expected <= 0) this.#begun.length = 0;
    const open = this.#begun.reduce((sum, { runs }) => sum + runs, 0);
    const perRun = (this.#requests - 1) * Math.min(1, windowMs / this.#overMs);
    if (first > 0) this.#begun.push({ at: now, runs: first });
    return { first, more: chance.poisson(open * perRun) };
  }
}
