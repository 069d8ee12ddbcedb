import { describe, expect, it } from 'vitest';
import { distinctError, estimateDistinct, HASH_RANGE, mergeSketches, SKETCH_SIZE, uniformAt } from './index.js';

/** `count` different hashes, as a good hash function gives them. */
const hashes = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, index) => {
    const [high, low] = [uniformAt(seed, 2 * index), uniformAt(seed, 2 * index + 1)];
    return Math.floor((Math.floor(high * 2 ** 24) / 2 ** 24 + low / 2 ** 24) * HASH_RANGE) % HASH_RANGE;
  });

describe('a sketch of distinct things', () => {
  it('counts exactly as long as it holds all of them, whatever comes twice', () => {
    const some = hashes(300, 1);
    const sketch = mergeSketches(some, some.slice(0, 100), some.toReversed());
    expect([estimateDistinct(sketch), distinctError(sketch)]).toEqual([300, 0]);
    expect(estimateDistinct(mergeSketches())).toBe(0);
  });

  it('is the same whether parts are merged or the whole is taken, in any order', () => {
    const all = hashes(9_000, 2);
    const parts = [0, 1, 2].map((part) => mergeSketches(all.filter((_, index) => index % 3 === part)));
    const whole = mergeSketches(all);
    expect(mergeSketches(...parts)).toEqual(whole);
    expect(mergeSketches(...parts.toReversed(), ...parts)).toEqual(whole);
    expect(whole).toHaveLength(SKETCH_SIZE);
  });

  it('estimates without bias and with the error that it states, over 200 sets', () => {
    const truth = 6_000;
    const errors = Array.from({ length: 200 }, (_, run) => {
      const sketch = mergeSketches(hashes(truth, 1_000 + run));
      return estimateDistinct(sketch) / truth - 1;
    });
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    const spread = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
    const stated = distinctError(mergeSketches(hashes(truth, 1)));
    // Four standard errors of the mean, and of the spread, over so many sets.
    expect(Math.abs(mean)).toBeLessThan((4 * stated) / Math.sqrt(200));
    expect(Math.abs(spread / stated - 1)).toBeLessThan(4 / Math.sqrt(2 * 200));
  });
});
