import type { Harm, HarmByPlatform } from './harm.js';
import { isIn, slicesOf, trafficAt, type Scenario, type ScenarioChange, type Slice } from './scenario.js';
import { valueAt } from './curve.js';
import { harmSources, type HarmSource } from './sources.js';
import { Reach } from './units.js';

const HOUR = 3_600_000;

/** The share that a change really had on a slice at a time. */
export const realShare = ({ really }: Pick<ScenarioChange, 'really'>, slice: Slice, at: number): number =>
  Math.max(0, ...really.filter(({ where }) => isIn(where, slice)).map(({ share }) => valueAt(share, at)));

export type RealHarm = Harm & {
  readonly byPlatform: HarmByPlatform;
  /** First and last moment with exposure, within the scenario; null without any. */
  readonly span: readonly [from: number, until: number] | null;
};

type Counted = { requests: number; affected: number };

/** Expected counts of what really happened to one change, hour by hour, with the traffic and rates of the scenario. */
class RealCount {
  readonly byPlatform = new Map<string, Counted>();
  readonly #units = new Map<string, Reach>();
  readonly #hit = new Map<string, Reach>();
  #from: number | null = null;
  #until = 0;

  constructor(private readonly populations: ReadonlyMap<string, number>) {}

  expose({ target }: Slice, requests: number, at: number): void {
    if (requests <= 0) return;
    this.#from ??= at;
    this.#until = at + HOUR;
    this.#of(target.platform).requests += requests;
    reachOf(this.#units, target.population).add(requests, this.#sizeOf(target.population));
  }

  affect({ slice: { target }, fault }: HarmSource, affected: number): void {
    if (affected <= 0) return;
    this.#of(target.platform).affected += affected;
    const runs = affected / (fault.sticky?.requests ?? 1);
    reachOf(this.#hit, target.population).add(runs, this.#sizeOf(target.population));
  }

  get harm(): RealHarm {
    const all = [...this.byPlatform.values()];
    const sizes = (reaches: ReadonlyMap<string, Reach>): number =>
      Math.round([...reaches.values()].reduce((sum, { size }) => sum + size, 0));
    return {
      requests: Math.round(all.reduce((sum, { requests }) => sum + requests, 0)),
      units: sizes(this.#units),
      affected: Math.round(all.reduce((sum, { affected }) => sum + affected, 0)),
      affectedUnits: sizes(this.#hit),
      byPlatform: Object.fromEntries(
        [...this.byPlatform].map(([platform, { requests, affected }]) => [
          platform,
          { requests: Math.round(requests), affected: Math.round(affected) },
        ]),
      ),
      span: this.#from === null ? null : [this.#from, this.#until],
    };
  }

  #sizeOf(population: string): number {
    return this.populations.get(population) ?? 1;
  }

  #of(platform: string): Counted {
    const known = this.byPlatform.get(platform);
    if (known) return known;
    const made = { requests: 0, affected: 0 };
    this.byPlatform.set(platform, made);
    return made;
  }
}

const reachOf = (map: Map<string, Reach>, population: string): Reach => {
  const known = map.get(population);
  if (known) return known;
  const made = new Reach();
  map.set(population, made);
  return made;
};

/** What really happened to every change of a scenario: published rates times assumed traffic. */
export const realHarm = (scenario: Scenario): ReadonlyMap<string, RealHarm> => {
  const populations = new Map(scenario.populations.map(({ name, units }) => [name, units]));
  const counts = new Map(scenario.changes.map(({ change }) => [change, new RealCount(populations)]));
  const changes = new Map(scenario.changes.map((change) => [change.change, change]));
  const slices = slicesOf(scenario);
  const sources = harmSources(scenario);
  const first = Math.min(scenario.from, ...scenario.changes.map(({ startsAt }) => startsAt));
  for (let hour = first; hour < scenario.until; hour += HOUR) {
    const at = hour + HOUR / 2;
    for (const slice of slices) {
      const requests = (trafficAt(slice, at) * HOUR) / 1_000;
      for (const change of scenario.changes) {
        counts.get(change.change)?.expose(slice, requests * realShare(change, slice, at), hour);
      }
    }
    for (const source of sources) {
      const share = source.needs.reduce((all, name) => {
        const change = changes.get(name);
        return all * (change ? realShare(change, source.slice, at) : 0);
      }, 1);
      const requests = (trafficAt(source.slice, at) * HOUR) / 1_000;
      counts.get(source.blamed)?.affect(source, requests * share * source.rateAt(at));
    }
  }
  return new Map([...counts].map(([change, count]) => [change, count.harm]));
};
