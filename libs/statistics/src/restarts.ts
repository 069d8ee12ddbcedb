/** Share of the prior that is kept for the first looks after each increase of exposure. */
export const RAISE_MASS = 0.25;

const LOOK_MASS = 1 - RAISE_MASS;

/**
 * Sum over all n >= 0 of 1/((n+1) ln^2(n+2)), rounded up: 10,000 terms make 3.2791627, and since each later term is
 * below the integral of 1/(x ln^2 x) over the interval before it, the rest is below 1/ln(10,000) = 0.1085737.
 */
const TOTAL = 3.387737;

const endlessMass = (index: number): number => 1 / (TOTAL * (index + 1) * Math.log(index + 2) ** 2);

/** Prior mass on "bad from informative look `index` on"; all of them sum to at most 1 - RAISE_MASS and never end. */
export const lookMass = (index: number): number => LOOK_MASS * endlessMass(index);

/** Prior mass on "bad from the `index`-th increase of exposure on"; all sum to at most RAISE_MASS and never end. */
export const raiseMass = (index: number): number => RAISE_MASS * endlessMass(index);
