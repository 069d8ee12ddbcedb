import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hypergeometricLogE, windowLogE } from './index.js';

const binomial = (n: number, k: number, p: number): number => {
  let ways = 1;
  for (let i = 0; i < k; i += 1) ways = (ways * (n - i)) / (i + 1);
  return ways * p ** k * (1 - p) ** (n - k);
};

/** Mean e-value over every outcome of one window with these sizes and rates. */
const enumerated = (candidate: number, control: number, p: number, q: number, g: number, o0: number): number => {
  let mean = 0;
  for (let c = 0; c <= candidate; c += 1) {
    for (let b = 0; b <= control; b += 1) {
      const counts = { candidateBad: c, candidate, controlBad: b, control };
      mean += binomial(candidate, c, p) * binomial(control, b, q) * Math.exp(hypergeometricLogE(counts, g, o0));
    }
  }
  return mean;
};

const rateAt = (odds: number, q: number): number => (odds * q) / (1 - q + odds * q);

describe('the hypergeometric evidence of a window', () => {
  it.each([1, 1.5, 3])('has a mean of exactly 1 over every outcome where the odds ratio is the margin, %d', (o0) => {
    for (const q of [0.03, 0.2, 0.5, 0.9]) {
      for (const g of [1.05, 2.2, 20]) expect(enumerated(7, 12, rateAt(o0, q), q, g, o0)).toBeCloseTo(1, 12);
    }
  });

  it('has a mean below 1 where the candidate is better than the margin', () => {
    expect(enumerated(7, 12, rateAt(1.2, 0.3), 0.3, 3, 2)).toBeLessThan(1);
  });

  it('is larger than that of rare events where events are common', () => {
    const counts = { candidateBad: 60, candidate: 100, controlBad: 400, control: 900 };
    const [rare, exact] = [windowLogE(60, 400, 0.1, 1.4), hypergeometricLogE(counts, 1.4)];
    expect(exact).toBeGreaterThan(rare);
  });

  it('comes close to that of rare events where events are rare', () => {
    const counts = { candidateBad: 9, candidate: 100_000, controlBad: 12, control: 900_000 };
    expect(hypergeometricLogE(counts, 3)).toBeCloseTo(windowLogE(9, 12, 0.1, 3), 2);
  });

  it('is the same when the arms are swapped and the odds are inverted', () => {
    const size = fc.integer({ min: 1, max: 300 });
    fc.assert(
      fc.property(
        size,
        size,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (nc, nb, p, q) => {
          const [c, b] = [Math.floor(nc * p), Math.floor(nb * q)];
          const straight = hypergeometricLogE({ candidateBad: c, candidate: nc, controlBad: b, control: nb }, 2);
          const swapped = hypergeometricLogE({ candidateBad: b, candidate: nb, controlBad: c, control: nc }, 0.5);
          expect(swapped).toBeCloseTo(straight, 6);
        },
      ),
    );
  });

  it('says nothing where an arm is empty or all requests are alike', () => {
    expect(hypergeometricLogE({ candidateBad: 0, candidate: 0, controlBad: 3, control: 9 }, 2)).toBe(0);
    expect(hypergeometricLogE({ candidateBad: 0, candidate: 5, controlBad: 0, control: 9 }, 2)).toBe(0);
    expect(hypergeometricLogE({ candidateBad: 5, candidate: 5, controlBad: 9, control: 9 }, 2)).toBe(0);
  });

  it('stays finite and quick for windows of a million requests', () => {
    const counts = { candidateBad: 52_000, candidate: 500_000, controlBad: 50_000, control: 500_000 };
    expect(hypergeometricLogE(counts, 1.05)).toBeGreaterThan(5);
    expect(Number.isFinite(hypergeometricLogE(counts, 200))).toBe(true);
  });
});
