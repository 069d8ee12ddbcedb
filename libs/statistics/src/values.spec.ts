import { describe, expect, it } from 'vitest';
import {
  foldDistribution,
  foldMeans,
  limitCandidateValues,
  logEOfDistribution,
  logEOfMeans,
  nextUniform,
  seeded,
  startDistribution,
  startMeans,
  type ValueBin,
} from './index.js';

const chanceOf = (seed: number): (() => number) => {
  let source = seeded(seed);
  return () => {
    const [value, next] = nextUniform(source);
    source = next;
    return value;
  };
};

const normal = (chance: () => number): number => Math.sqrt(-2 * Math.log(chance())) * Math.cos(2 * Math.PI * chance());

/** A window of values, each by itself on the arm that its coin says. */
const draw = (size: number, rho: number, chance: () => number, valueOn: (isCandidate: boolean) => number): ValueBin[] =>
  Array.from({ length: size }, () => {
    const isCandidate = chance() < rho;
    return { value: valueOn(isCandidate), candidate: isCandidate ? 1 : 0, control: isCandidate ? 0 : 1 };
  });

const candidates = (bins: readonly ValueBin[]): number => bins.reduce((sum, { candidate }) => sum + candidate, 0);
const how = { rho: 0.1, raised: false, worse: 'higher', margin: 0 } as const;
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Three windows of two values whose spread is known: every labelling with its chance. */
const labellings = (rho: number): readonly { readonly windows: readonly ValueBin[][]; readonly chance: number }[] => {
  const values = [3, 8, 1, 40, 5, 0.2, 9, 11];
  return Array.from({ length: 2 ** values.length }, (_, labels) => {
    const bins = values.map((value, i) => ({ value, candidate: (labels >> i) & 1, control: 1 - ((labels >> i) & 1) }));
    const chance = bins.reduce((p, { candidate }) => p * (candidate === 1 ? rho : 1 - rho), 1);
    return { windows: [bins.slice(0, 2), bins.slice(2, 4), bins.slice(4)], chance };
  });
};

describe('evidence on a mean', () => {
  it.each(['higher', 'lower'] as const)(
    'has a mean of exactly 1 over all labellings of three windows, %s being worse',
    (worse) => {
      let sum = 0;
      for (const { windows, chance } of labellings(0.3)) {
        const state = startMeans();
        for (const [n, bins] of windows.entries()) foldMeans(state, bins, { ...how, worse, rho: 0.3, raised: n === 1 });
        sum += chance * Math.exp(logEOfMeans(state));
      }
      expect(sum).toBeCloseTo(1, 10);
    },
  );

  it('finds a shift of half a standard deviation within 1.6 times the information limit on average', () => {
    const requests = Array.from({ length: 60 }, (_, run) => {
      const chance = chanceOf(run);
      const state = startMeans();
      let seen = 0;
      while (logEOfMeans(state) < Math.log(1_000)) {
        const bins = draw(50, 0.1, chance, (isCandidate) => 10 + 2 * normal(chance) + (isCandidate ? 1 : 0));
        seen += candidates(bins);
        foldMeans(state, bins, how);
      }
      return seen;
    });
    const limit = limitCandidateValues({ shift: 0.5, rho: 0.1, alpha: 1e-3 });
    expect(mean(requests) / limit).toBeLessThan(1.6);
    expect(mean(requests) / limit).toBeGreaterThan(1);
  });

  it('finds it as well when values come one or two at a time, although the mean of so few says nothing', () => {
    const found = (size: number): number =>
      mean(
        Array.from({ length: 40 }, (_, run) => {
          const chance = chanceOf(9_000 + run);
          const state = startMeans();
          let seen = 0;
          while (logEOfMeans(state) < Math.log(1_000)) {
            const bins = draw(size, 0.1, chance, (isCandidate) => 10 + 2 * normal(chance) + (isCandidate ? 1 : 0));
            seen += candidates(bins);
            foldMeans(state, bins, how);
          }
          return seen;
        }),
      );
    const limit = limitCandidateValues({ shift: 0.5, rho: 0.1, alpha: 1e-3 });
    for (const size of [1, 2]) expect(found(size) / limit).toBeLessThan(1.8);
  });

  it('does not find what stays within the margin, nor a shift to the better side', () => {
    const logEOf = (shift: number, margin: number): number => {
      const chance = chanceOf(7);
      const state = startMeans();
      for (let n = 0; n < 200; n += 1) {
        const bins = draw(50, 0.1, chance, (isCandidate) => 10 + 2 * normal(chance) + (isCandidate ? shift : 0));
        foldMeans(state, bins, { ...how, margin });
      }
      return logEOfMeans(state);
    };
    expect(logEOf(1, 1)).toBeLessThan(2);
    expect(logEOf(-1, 0)).toBeLessThan(0);
    expect(logEOf(1, 0)).toBeGreaterThan(20);
  });

  it('fires in at most 5% of harmless runs that are looked at 300 times, with values that drift', () => {
    const fired = Array.from({ length: 200 }, (_, run) => {
      const chance = chanceOf(1_000 + run);
      const state = startMeans();
      for (let n = 0; n < 300; n += 1) {
        foldMeans(
          state,
          draw(20, 0.1, chance, () => 10 + n / 20 + 2 * normal(chance)),
          how,
        );
        if (logEOfMeans(state) >= Math.log(20)) return true;
      }
      return false;
    }).filter(Boolean).length;
    expect(fired / 200).toBeLessThanOrEqual(0.05 + 3 * Math.sqrt((0.05 * 0.95) / 200));
  });
});

/** Latencies in buckets 2% apart, as a histogram reports them. */
const latency = (chance: () => number, factor: number): number => {
  const exact = 100 * Math.exp(0.5 * normal(chance)) * factor;
  return 1.02 ** Math.round(Math.log(exact) / Math.log(1.02));
};

describe('evidence on a distribution', () => {
  it('has a mean of exactly 1 over all labellings of three windows', () => {
    let sum = 0;
    for (const { windows, chance } of labellings(0.3)) {
      const state = startDistribution();
      for (const bins of windows) foldDistribution(state, bins, { ...how, rho: 0.3 });
      sum += chance * Math.exp(logEOfDistribution(state));
    }
    // What control showed chooses the thresholds of the next window, never those of its own.
    expect(sum).toBeCloseTo(1, 10);
  });

  const untilFound = (valueOf: (isCandidate: boolean, chance: () => number) => number, most: number): number[] =>
    Array.from({ length: 20 }, (_, run) => {
      const chance = chanceOf(500 + run);
      const state = startDistribution();
      let seen = 0;
      while (logEOfDistribution(state) < Math.log(1_000) && seen < most) {
        const bins = draw(500, 0.1, chance, (isCandidate) => valueOf(isCandidate, chance));
        seen += candidates(bins);
        foldDistribution(state, bins, how);
      }
      return seen;
    });

  it('finds that everything is a tenth slower within 2.2 times the limit of a shift', () => {
    const seen = untilFound((isCandidate, chance) => latency(chance, isCandidate ? 1.1 : 1), 100_000);
    const limit = limitCandidateValues({ shift: Math.log(1.1) / 0.5, rho: 0.1, alpha: 1e-3 });
    expect(mean(seen) / limit).toBeLessThan(2.2);
  });

  it('finds a tail that only 3% of the requests have', () => {
    const slow = (isCandidate: boolean, chance: () => number): number =>
      latency(chance, isCandidate && chance() < 0.03 ? 9 : 1);
    expect(Math.max(...untilFound(slow, 100_000))).toBeLessThan(20_000);
  });

  it('sees nothing in a candidate that is quicker, where slower is worse', () => {
    const state = startDistribution();
    const chance = chanceOf(3);
    for (let n = 0; n < 60; n += 1)
      foldDistribution(
        state,
        draw(200, 0.1, chance, (isCandidate) => latency(chance, isCandidate ? 0.8 : 1)),
        how,
      );
    expect(logEOfDistribution(state)).toBeLessThan(0);
  });
});
