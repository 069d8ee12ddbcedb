import type { Random } from '../random.js';
import type { Scenario } from '../scenario/index.js';

/** A value measured of a request: which of the scenario's values it is, and how much. */
export type Measured = { readonly value: number; readonly index: number };

const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

/**
 * Draws the values that are measured of one request. `factors`: what faults multiply each of the scenario's values by.
 */
export const createMeasuring = ({ values }: Scenario, random: Random) => {
  const draw = ({ typical, spread, shape, range }: Scenario['values'][number], factor: number): number => {
    const plain =
      shape === 'lognormal' ? typical * Math.exp(spread * normal(random)) : typical + spread * normal(random);
    const value = plain * factor;
    return range === undefined ? value : Math.min(range[1], Math.max(range[0], value));
  };
  return (factors: readonly number[]): readonly Measured[] =>
    values.flatMap((each, index) =>
      each.share < 1 && random.next() >= each.share ? [] : [{ index, value: draw(each, factors[index] ?? 1) }],
    );
};
