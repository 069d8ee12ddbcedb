import type { Chance } from './chance.js';

/** A set of units by number. */
export class UnitSet {
  readonly #bits: Uint32Array;
  size = 0;

  constructor(units: number) {
    this.#bits = new Uint32Array(Math.ceil(units / 32));
  }

  /** Adds a unit; false when it was there already. */
  add(unit: number): boolean {
    const word = unit >>> 5;
    const bit = 1 << (unit & 31);
    const before = this.#bits[word] ?? 0;
    if ((before & bit) !== 0) return false;
    this.#bits[word] = before | bit;
    this.size += 1;
    return true;
  }
}

/**
 * How many distinct units requests have reached when each comes from a unit at random: grows towards the units that
 * can be reached. An expectation, not a draw.
 */
export class Reach {
  #reached = 0;

  get size(): number {
    return this.#reached;
  }

  add(requests: number, reachable: number): void {
    if (reachable <= this.#reached || requests <= 0) return;
    this.#reached = reachable - (reachable - this.#reached) * Math.exp(-requests / reachable);
  }
}

/**
 * A unit's number is its place in the order of one rollout's coins, so the units below share × units are on the
 * candidate, growth moves nobody back, and the orders of two rollouts have nothing to do with each other.
 */
export const drawUnit = (chance: Chance, units: number, brokenUnits: number | null): number => {
  if (brokenUnits === null) return chance.below(units);
  const broken = Math.max(1, Math.round(units * brokenUnits));
  return Math.floor((chance.below(broken) * units) / broken);
};
