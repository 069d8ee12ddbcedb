import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WholeCounts, type Remainders } from './whole-counts.js';

describe('whole counts of parts', () => {
  it('keep what is cut off for the next window', () => {
    const first = new WholeCounts({}, 1_000);
    expect(first.take('a', 1.7)).toBe(1);
    const second = new WholeCounts(first.remainders(), 2_000);
    expect(second.take('a', 1.7)).toBe(2);
    expect(Object.values(second.remainders())).toEqual([[0.4, 2_000]]);
  });

  it('add up to the sum of the parts, less one at most, over any number of windows', () => {
    const parts = fc.array(fc.double({ min: 0, max: 50, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(parts, (counts) => {
        let remainders: Remainders = {};
        let total = 0;
        for (const [index, count] of counts.entries()) {
          const whole = new WholeCounts(remainders, index * 15_000);
          total += whole.take('series', count);
          remainders = whole.remainders();
        }
        const sum = counts.reduce((a, b) => a + b, 0);
        expect(sum - total).toBeGreaterThan(-0.01);
        expect(sum - total).toBeLessThan(1.01);
      }),
    );
  });

  it('are no more bad ones than requests; the rest comes with the next window', () => {
    const first = new WholeCounts({}, 1);
    expect(first.take('bad', 3.9, 3)).toBe(3);
    const second = new WholeCounts(first.remainders(), 2);
    expect(second.take('bad', 3.2, 3)).toBe(3);
    expect(Object.values(second.remainders())).toEqual([[1.1, 2]]);
    expect(new WholeCounts(second.remainders(), 3).take('bad', 0, 3)).toBe(1);
  });

  it('of thousands of series do not mix', () => {
    const names = Array.from({ length: 20_000 }, (_, n) => `{headgate_target="api-${n % 500}",pod="p${n}"}`);
    const whole = new WholeCounts({}, 1);
    for (const name of names) whole.take(name, 0.5);
    expect(Object.keys(whole.remainders())).toHaveLength(names.length);
  });

  it('forget series that were not seen for an hour', () => {
    const whole = new WholeCounts({ gone: [0.5, 0], new: [0.5, 3_000_000] }, 3_600_001);
    expect(whole.remainders()).toEqual({ new: [0.5, 3_000_000] });
  });
});
