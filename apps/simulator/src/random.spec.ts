import { describe, expect, it } from 'vitest';
import { createRandom, inShare, seedOf } from './random.js';

describe('Chance in the fleets', () => {
  it('is the same for the same seed and another for another seed', () => {
    const draws = (seed: number): number[] => Array.from({ length: 5 }, createRandom(seed).next);
    expect(draws(1)).toEqual(draws(1));
    expect(draws(1)).not.toEqual(draws(2));
  });

  it.each([0.4, 7, 45, 260])('gives request counts around a mean of %d with the spread of a Poisson law', (mean) => {
    const random = createRandom(11);
    const counts = Array.from({ length: 20_000 }, () => random.poisson(mean));
    const average = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - average) ** 2, 0) / counts.length;
    expect(Math.abs(average - mean)).toBeLessThan(4 * Math.sqrt(mean / counts.length));
    expect(variance / mean).toBeGreaterThan(0.95);
    expect(variance / mean).toBeLessThan(1.05);
    expect(random.poisson(0)).toBe(0);
  });

  it('puts a fixed share of users under a fault, and other users under another fault', () => {
    const hit = (seed: number): number[] =>
      Array.from({ length: 20_000 }, (_, n) => n).filter((n) => inShare(seed, n, 0.16));
    const one = hit(seedOf(1, 'one'));
    const other = new Set(hit(seedOf(1, 'other')));
    expect(one.length / 20_000).toBeCloseTo(0.16, 1);
    expect(one.filter((n) => other.has(n)).length / one.length).toBeCloseTo(0.16, 1);
  });
});
