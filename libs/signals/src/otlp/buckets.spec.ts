import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketsOfExponential, downscaled, exponentialIncrease, valueOf } from './buckets.js';

const exponential = fc.record({
  scale: fc.integer({ min: -2, max: 6 }),
  zeroCount: fc.nat(9),
  offset: fc.integer({ min: -60, max: 60 }),
  counts: fc.array(fc.nat(9), { maxLength: 40 }),
});
const sumOf = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

describe('an exponential histogram at a coarser scale', () => {
  it('has the same values in it, each in the bucket that holds its old one', () => {
    fc.assert(
      fc.property(exponential, fc.nat(8), (fine, steps) => {
        const coarse = downscaled(fine, fine.scale - steps);
        expect(sumOf(coarse.counts)).toBe(sumOf(fine.counts));
        const holds = new Map(coarse.counts.map((count, index) => [coarse.offset + index, count]));
        const expected = new Map<number, number>();
        for (const [index, count] of fine.counts.entries()) {
          const place = Math.floor((fine.offset + index) / 2 ** steps);
          expected.set(place, (expected.get(place) ?? 0) + count);
        }
        for (const [place, count] of expected) expect(holds.get(place)).toBe(count);
      }),
    );
  });

  it('grows by as much as one that was added to it', () => {
    fc.assert(
      fc.property(exponential, fc.array(fc.nat(9), { maxLength: 40 }), fc.nat(4), (before, added, steps) => {
        const counts = Array.from(
          { length: Math.max(before.counts.length, added.length) },
          (_, index) => (before.counts[index] ?? 0) + (added[index] ?? 0),
        );
        const now = downscaled({ ...before, counts, zeroCount: before.zeroCount + 2 }, before.scale - steps);
        const increase = exponentialIncrease(before, now);
        expect(increase?.zeroCount).toBe(2);
        const expected = downscaled({ ...before, counts: added }, before.scale - steps);
        const nonZero = ({ offset, counts: of }: { offset: number; counts: readonly number[] }) =>
          of.flatMap((count, index) => (count === 0 ? [] : [[offset + index, count]]));
        expect(nonZero(increase ?? { offset: 0, counts: [] })).toEqual(nonZero(expected));
      }),
    );
  });

  it('has not grown where a bucket has fewer than before', () => {
    const of = (counts: number[]) => ({ scale: 0, zeroCount: 0, offset: 0, counts });
    expect(exponentialIncrease(of([3, 1]), of([2, 5]))).toBeUndefined();
  });
});

describe('the value that stands for a bucket', () => {
  const bucket = (low: number, high: number, grows = false) => ({ low, high, count: 1, grows });

  it.each([
    ['the geometric mean', bucket(100, 400), false, 200],
    ['the arithmetic mean, of a mean', bucket(100, 400), true, 250],
    ['the finite end of one that is open above', bucket(400, Infinity), false, 400],
    ['the finite end of one that is open below', bucket(-Infinity, 100), true, 100],
    ['the upper end of one that begins at zero', bucket(0, 5), false, 5],
    ['half of it, of a mean', bucket(0, 5), true, 2.5],
  ])('is %s', (_, of, isMean, value) => {
    expect(valueOf(of, isMean)).toBeCloseTo(value, 9);
  });

  it('is half a bucket up, where buckets grow by a factor', () => {
    // At scale 3 they grow by 2^(1/8).
    const [zero, one] = bucketsOfExponential({ scale: 3, zeroCount: 4, offset: 16, counts: [7] });
    expect(zero).toEqual({ low: 0, high: 0, count: 4, grows: true });
    expect(one && valueOf(one, true)).toBeCloseTo(4 * 2 ** (1 / 16), 9);
  });
});
