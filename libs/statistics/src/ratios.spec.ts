import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addToLikelihood,
  confidenceSequence,
  exactLower,
  exactUpper,
  klBernoulli,
  likeliestRatio,
  limitCandidateRequests,
  logPromotion,
  mixingCosts,
  nextUniform,
  RATIO_LATTICE,
  ratioScale,
  seeded,
  uniformAt,
} from './index.js';

const scale = ratioScale([2, 1.5]);

const likelihoodOf = (...windows: readonly (readonly [candidateBad: number, controlBad: number, rho: number])[]) => {
  const likelihood = new Float64Array(scale.ratios.length);
  for (const [c, b, rho] of windows) addToLikelihood(likelihood, scale, mixingCosts(scale, rho), c, b);
  return likelihood;
};

describe('the ratio of the candidate to control', () => {
  it('is estimated within the shares under which the events were served, never pooled over a ramp', () => {
    expect(likeliestRatio(likelihoodOf([10, 90, 0.1]))).toBeCloseTo(1, 1);
    expect(likeliestRatio(likelihoodOf([30, 90, 0.1]))).toBeCloseTo(3, 1);
    // Pooled over the ramp, 110 against 190 at a mean share of 30% would look like a ratio above 1.3.
    expect(likeliestRatio(likelihoodOf([10, 90, 0.1], [100, 100, 0.5]))).toBeCloseTo(1, 1);
  });

  it('has no estimate while only one arm was ever bad', () => {
    expect(likeliestRatio(likelihoodOf([5, 0, 0.1]))).toBeNull();
    expect(likeliestRatio(likelihoodOf([0, 5, 0.1]))).toBeNull();
  });

  it('lies in its 95% interval at every one of 300 looks in at least 95% of 400 runs', () => {
    let misses = 0;
    for (let run = 0; run < 400; run += 1) {
      const likelihood = new Float64Array(scale.ratios.length);
      const costs = mixingCosts(scale, 0.2);
      const candidateChance = (0.2 * 3) / (0.2 * 3 + 0.8);
      let isMissed = false;
      for (let look = 0; look < 300; look += 1) {
        const isCandidate = uniformAt(run, look) < candidateChance;
        addToLikelihood(likelihood, scale, costs, isCandidate ? 1 : 0, isCandidate ? 0 : 1);
        const [low, high] = confidenceSequence(likelihood, 0.05);
        isMissed ||= (low ?? 0) > 3 || (high ?? 1000) < 3;
      }
      if (isMissed) misses += 1;
    }
    expect(exactLower(misses, 400, 0.999)).toBeLessThanOrEqual(0.05);
  });

  it('leaves a side open that the evidence does not bound', () => {
    expect(confidenceSequence(likelihoodOf([0, 0, 0.5]), 0.05)).toEqual([null, null]);
    const [low, high] = confidenceSequence(likelihoodOf([40, 0, 0.1]), 0.05);
    expect(low).toBeGreaterThan(10);
    expect(high).toBeNull();
  });

  it('keeps exactly the ratios that no mixture beyond them refutes', () => {
    const offsets = [1, 2, 3, 5, 8, 12, 18, 27];
    const isKept = (likelihood: Float64Array, index: number, direction: 1 | -1): boolean => {
      const beyond = offsets.map((offset) => index + direction * offset).filter((at) => at >= 0 && at < 64);
      const sum = beyond.reduce((all, at) => all + Math.exp((likelihood[at] ?? 0) - (likelihood[index] ?? 0)), 0);
      return sum < (2 / 0.05) * offsets.length;
    };
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(60), fc.constantFrom(0.01, 0.1, 0.5, 0.99))), (windows) => {
        const likelihood = likelihoodOf(...windows);
        const places = RATIO_LATTICE.map((_, index) => index);
        const low = places.find((index) => isKept(likelihood, index, 1)) ?? 64;
        const high = places.findLast((index) => isKept(likelihood, index, -1)) ?? -1;
        const sides = [RATIO_LATTICE[low - 1] ?? null, RATIO_LATTICE[high + 1] ?? null];
        expect(confidenceSequence(likelihood, 0.05)).toEqual(sides);
      }),
    );
  });
});

describe('promotion', () => {
  it('has a mean of at most 1 over all arms of twelve bad events when the ratio is at the margin', () => {
    const candidateChance = (0.3 * 2) / (0.3 * 2 + 0.7);
    let mean = 0;
    for (let c = 0; c <= 12; c += 1) {
      let ways = 1;
      for (let i = 0; i < c; i += 1) ways = (ways * (12 - i)) / (i + 1);
      const chance = ways * candidateChance ** c * (1 - candidateChance) ** (12 - c);
      mean += chance * Math.exp(logPromotion(likelihoodOf([c, 12 - c, 0.3]), scale, 2));
    }
    expect(mean).toBeCloseTo(1, 10);
  });

  it('refuses a margin that was not declared', () => {
    expect(() => logPromotion(likelihoodOf(), scale, 1.7)).toThrow('Margin 1.7 was not declared');
  });
});

describe('limits', () => {
  it('with a margin is at least the limit without it, and agrees with it as the margin closes', () => {
    const plain = { control: 0.001, candidate: 0.01, rho: 0.1, alpha: 1e-3 };
    expect(limitCandidateRequests({ ...plain, harm: 1 + 1e-9 })).toBeCloseTo(limitCandidateRequests(plain), 3);
    expect(limitCandidateRequests({ ...plain, harm: 2 })).toBeGreaterThan(limitCandidateRequests(plain) * 1.2);
    // No harmless pair of rates explains the data better than the one found.
    const least = (0.1 * Math.log(1000)) / limitCandidateRequests({ ...plain, harm: 2 });
    for (let p = 0.0005; p < 0.02; p += 0.00001) {
      expect(0.1 * klBernoulli(0.01, 2 * p) + 0.9 * klBernoulli(0.001, p)).toBeGreaterThanOrEqual(least - 1e-12);
    }
  });

  it('gives the exact binomial limits of textbooks', () => {
    expect(exactUpper(0, 100, 0.95)).toBeCloseTo(1 - 0.05 ** 0.01, 10);
    expect(exactLower(100, 100, 0.95)).toBeCloseTo(0.05 ** 0.01, 10);
    expect(exactLower(8, 20, 0.975)).toBeCloseTo(0.1912, 4);
    expect(exactUpper(8, 20, 0.975)).toBeCloseTo(0.6395, 4);
  });
});

describe('seeded chance', () => {
  it('repeats itself from the same seed, differs between seeds, and is uniform', () => {
    let source = seeded(7);
    const drawn = Array.from({ length: 20_000 }, () => {
      const [value, next] = nextUniform(source);
      source = next;
      return value;
    });
    expect(uniformAt(7, 123)).toBe(drawn[123]);
    expect(uniformAt(8, 123)).not.toBe(drawn[123]);
    const bins = Array.from({ length: 100 }, () => 0);
    for (const value of drawn) bins[Math.floor(value * 100)] = (bins[Math.floor(value * 100)] ?? 0) + 1;
    const chiSquare = bins.reduce((sum, n) => sum + (n - 200) ** 2 / 200, 0);
    expect(chiSquare).toBeGreaterThan(56);
    expect(chiSquare).toBeLessThan(160);
  });
});
