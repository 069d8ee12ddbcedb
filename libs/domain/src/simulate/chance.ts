import { uniformAt } from '#libs/statistics';

/** Above this mean, counts are drawn as rounded normal numbers: their error is far below what any figure shows. */
const LARGE_MEAN = 1_000;
/** Means are drawn in parts of at most this, so that exp(-mean) stays a good number. */
const PART = 30;

/** A seeded source of chance: the same seed and the same questions give the same answers. */
export class Chance {
  readonly #seed: number;
  #drawn = 0;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
  }

  /** Strictly between 0 and 1. */
  uniform(): number {
    const drawn = this.#drawn;
    this.#drawn += 1;
    return uniformAt(this.#seed, drawn);
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.uniform() * limit);
  }

  /** Rounds up or down at random, so that the mean is kept. */
  rounded(value: number): number {
    const whole = Math.floor(value);
    return whole + (this.uniform() < value - whole ? 1 : 0);
  }

  poisson(mean: number): number {
    if (mean <= 0) return 0;
    if (mean > LARGE_MEAN) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.#normal()));
    let count = 0;
    let left = mean;
    while (left > 0) {
      count += this.#smallPoisson(Math.min(left, PART));
      left -= PART;
    }
    return count;
  }

  binomial(trials: number, chance: number): number {
    let hits = 0;
    for (let i = 0; i < trials; i += 1) if (this.uniform() < chance) hits += 1;
    return hits;
  }

  /** By Box and Muller. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** By inversion: one uniform number per count. */
  #smallPoisson(mean: number): number {
    const at = this.uniform();
    let term = Math.exp(-mean);
    let below = term;
    let count = 0;
    while (at > below && count < 1_000) {
      count += 1;
      term *= mean / count;
      below += term;
    }
    return count;
  }
}
