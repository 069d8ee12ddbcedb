import { Reach, UnitSet } from './units.js';

/** Requests and units that ran a change, and those that it made worse. */
export type Harm = {
  /** Served by the candidate. */
  readonly requests: number;
  /** Distinct units among them. */
  readonly units: number;
  /** Made bad by a fault of the change. */
  readonly affected: number;
  /** Distinct units that were hit at least once. */
  readonly affectedUnits: number;
};

export type HarmByPlatform = Readonly<Record<string, { readonly requests: number; readonly affected: number }>>;

/** Counts the harm of one change while it is simulated. */
export class HarmCount {
  readonly #byPlatform = new Map<string, { requests: number; affected: number }>();
  readonly #units = new Map<string, Reach>();
  readonly #affectedUnits = new Map<string, UnitSet>();

  addRequests(platform: string, population: string, requests: number, reachable: number): void {
    this.#of(platform).requests += requests;
    const reach = this.#units.get(population) ?? new Reach();
    reach.add(requests, reachable);
    this.#units.set(population, reach);
  }

  addAffected(platform: string, requests: number): void {
    this.#of(platform).affected += requests;
  }

  addUnit(population: string, units: number, unit: number): void {
    const known = this.#affectedUnits.get(population) ?? new UnitSet(units);
    known.add(unit);
    this.#affectedUnits.set(population, known);
  }

  get total(): Harm {
    let [requests, affected, units, affectedUnits] = [0, 0, 0, 0];
    for (const each of this.#byPlatform.values()) {
      requests += each.requests;
      affected += each.affected;
    }
    for (const reach of this.#units.values()) units += reach.size;
    for (const set of this.#affectedUnits.values()) affectedUnits += set.size;
    return { requests: Math.round(requests), units: Math.round(units), affected, affectedUnits };
  }

  get byPlatform(): HarmByPlatform {
    return Object.fromEntries(
      [...this.#byPlatform].map(([platform, { requests, affected }]) => [
        platform,
        { requests: Math.round(requests), affected },
      ]),
    );
  }

  #of(platform: string): { requests: number; affected: number } {
    const known = this.#byPlatform.get(platform);
    if (known) return known;
    const made = { requests: 0, affected: 0 };
    this.#byPlatform.set(platform, made);
    return made;
  }
}
