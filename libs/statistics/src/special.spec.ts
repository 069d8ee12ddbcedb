import { describe, expect, it } from 'vitest';
import { poissonAtLeast } from './special.js';

/** By its terms, largest first, however many there are. */
const bySumming = (k: number, mean: number): number => {
  const logs: number[] = [];
  let log = -mean;
  const last = Math.max(k, mean) + 12 * Math.sqrt(mean);
  for (let i = 0; i <= last; i += 1) {
    if (i > 0) log += Math.log(mean / i);
    if (i >= k) logs.push(log);
  }
  return logs.toSorted((a, b) => a - b).reduce((sum, each) => sum + Math.exp(each), 0);
};

describe('the chance of so many Poisson events', () => {
  it.each([-5, -2, -0.3, 0, 0.001, 0.3, 1, 3, 3.5, 6])(
    'is as by summing where it no longer is summed, %f deviations above the mean',
    (deviations) => {
      const mean = 20_000;
      const k = Math.round(mean + deviations * Math.sqrt(mean));
      expect(poissonAtLeast(k, mean) / bySumming(k, mean)).toBeCloseTo(1, 3);
    },
  );

  it('goes on smoothly where the method changes', () => {
    for (const mean of [9_700, 9_900, 10_000, 10_100, 10_300]) {
      const [before, after] = [poissonAtLeast(10_000, mean), poissonAtLeast(10_001, mean)];
      expect(before).toBeGreaterThan(after);
      expect(before - after).toBeLessThan(0.0041);
    }
  });

  it('is found for any counts, without going through them', () => {
    expect(poissonAtLeast(1, 1e15)).toBe(1);
    expect(poissonAtLeast(9_999, 1e6)).toBe(1);
    expect(poissonAtLeast(1e15, 1e15)).toBeCloseTo(0.5, 6);
    expect(poissonAtLeast(1e12 + 1e6, 1e12)).toBeCloseTo(0.158_655, 5);
    expect(poissonAtLeast(2e12, 1e12)).toBe(0);
  });
});
