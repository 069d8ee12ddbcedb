import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bet,
  gridBets,
  logEValue,
  logSumExp,
  lookMass,
  openLook,
  RATIO_GRID,
  raiseMass,
  startProcess,
  windowLogE,
} from './index.js';

type Window = {
  readonly candidateBad: number;
  readonly controlBad: number;
  readonly rho: number;
  readonly raised?: boolean;
};

const run = (windows: readonly Window[], r0 = 1): number => {
  const process = startProcess();
  for (const { candidateBad, controlBad, rho, raised = false } of windows) {
    openLook(process, raised);
    bet(process, gridBets(rho, r0), candidateBad, controlBad);
  }
  return logEValue(process);
};

const binomial = (n: number, k: number, p: number): number => {
  let ways = 1;
  for (let i = 0; i < k; i += 1) ways = (ways * (n - i)) / (i + 1);
  return ways * p ** k * (1 - p) ** (n - k);
};

/** Mean e-value over every outcome of some looks with a few requests on each arm. */
const enumerated = (
  looks: readonly { candidate: number; control: number; rate: number }[],
  ratio: number,
  r0: number,
): number => {
  const mean = (index: number, windows: readonly Window[], chance: number): number => {
    const look = looks[index];
    if (look === undefined) return chance * Math.exp(run(windows, r0));
    const rho = look.candidate / (look.candidate + look.control);
    let sum = 0;
    for (let c = 0; c <= look.candidate; c += 1) {
      for (let b = 0; b <= look.control; b += 1) {
        const p = binomial(look.candidate, c, Math.min(1, look.rate * ratio)) * binomial(look.control, b, look.rate);
        const window = { candidateBad: c, controlBad: b, rho, raised: index !== 1 };
        sum += mean(index + 1, c + b === 0 ? windows : [...windows, window], chance * p);
      }
    }
    return sum;
  };
  return mean(0, [], 1);
};

describe('the rate e-process', () => {
  it.each([
    { r0: 1, ratio: 1 },
    { r0: 1, ratio: 0.5 },
    { r0: 1.2, ratio: 1.2 },
    { r0: 2, ratio: 2 },
    { r0: 2, ratio: 1.1 },
  ])('has a mean of at most 1 over every outcome of three looks with ratio $ratio and harm $r0', ({ r0, ratio }) => {
    for (const rates of [
      [0.001, 0.3, 0.05],
      [0.4, 0.01, 0.2],
    ]) {
      const looks = rates.map((rate, i) => ({ candidate: 1 + i, control: 3, rate }));
      expect(enumerated(looks, ratio, r0)).toBeLessThanOrEqual(1 + 1e-12);
    }
  });

  it('has a mean of exactly 1 over all arms of ten bad events while exposure is raised and restarts go on', () => {
    const shares = [0.01, 0.01, 0.1, 0.1, 0.1, 0.5, 0.5, 0.5, 0.99, 0.99];
    let mean = 0;
    for (let arms = 0; arms < 2 ** shares.length; arms += 1) {
      const windows = shares.map((rho, i) => {
        const candidateBad = (arms >> i) & 1;
        return { candidateBad, controlBad: 1 - candidateBad, rho, raised: rho !== shares[i - 1] };
      });
      const chance = windows.reduce((p, { candidateBad, rho }) => p * (candidateBad === 1 ? rho : 1 - rho), 1);
      mean += chance * Math.exp(run(windows));
    }
    expect(mean).toBeCloseTo(1, 12);
  });

  it('agrees with the formula in logarithms', () => {
    const windows = [
      { candidateBad: 3, controlBad: 4, rho: 0.1, raised: true },
      { candidateBad: 1, controlBad: 0, rho: 0.1 },
      { candidateBad: 40, controlBad: 12, rho: 0.5, raised: true },
    ];
    let [cash, pending, raises] = [1, 0, 0];
    const logs = RATIO_GRID.map(() => Number.NEGATIVE_INFINITY);
    for (const [index, { candidateBad, controlBad, rho, raised }] of windows.entries()) {
      if (raised === true) pending += raiseMass(raises++);
      const released = lookMass(index) + pending / 2;
      pending /= 2;
      cash -= released;
      for (const [k, g] of RATIO_GRID.entries()) {
        const before = logSumExp([logs[k] ?? 0, Math.log(released / RATIO_GRID.length)]);
        logs[k] = before + windowLogE(candidateBad, controlBad, rho, g, 1.2);
      }
    }
    expect(run(windows, 1.2)).toBeCloseTo(logSumExp([...logs, Math.log(cash)]), 10);
  });

  it('neither overflows nor loses evidence in batches of a million events', () => {
    const half = { candidateBad: 500_000, controlBad: 500_000, rho: 0.01, raised: true };
    const one = run([half]);
    expect(Number.isFinite(one)).toBe(true);
    expect(one).toBeGreaterThan(1_000_000);
    expect(run([half, { candidateBad: 0, controlBad: 1_000_000, rho: 0.01 }])).toBeLessThan(one);
    expect(run([{ candidateBad: 0, controlBad: 1_000_000, rho: 0.5 }, half])).toBeGreaterThan(1_000_000);
  });

  it('keeps the masses of restarts and exposure increases below one for ever', () => {
    let sum = 0;
    const last = 100_000;
    for (let n = 0; n <= last; n += 1) sum += lookMass(n) + raiseMass(n);
    const rest = (lookMass(0) + raiseMass(0)) * Math.log(2) ** 2 * (1 / Math.log(last + 1));
    expect(sum + rest).toBeLessThanOrEqual(1);
    expect(sum + rest).toBeGreaterThan(0.9999);
    expect(lookMass(10_000_000)).toBeGreaterThan(0);
  });
});

describe('the evidence of one window', () => {
  const bad = fc.integer({ min: 0, max: 50 });
  const share = fc.double({ min: 0.001, max: 0.999, noNaN: true });
  const ratio = fc.double({ min: 1.01, max: 100, noNaN: true });

  it('does not change when the window is split at the same share', () => {
    fc.assert(
      fc.property(bad, bad, bad, bad, share, ratio, (c1, b1, c2, b2, rho, g) => {
        const split = windowLogE(c1, b1, rho, g) + windowLogE(c2, b2, rho, g);
        expect(windowLogE(c1 + c2, b1 + b2, rho, g)).toBeCloseTo(split, 8);
      }),
    );
  });

  it('is the same when the arms are swapped and the ratio is inverted', () => {
    fc.assert(
      fc.property(bad, bad, share, ratio, (c, b, rho, g) => {
        expect(windowLogE(b, c, 1 - rho, 1 / g)).toBeCloseTo(windowLogE(c, b, rho, g), 7);
      }),
    );
  });

  it('depends on the share of traffic and not on how much there is, so the base rate does not matter', () => {
    fc.assert(
      fc.property(bad, bad, fc.integer({ min: 1, max: 99 }), ratio, (c, b, percent, g) => {
        const quiet = windowLogE(c, b, percent / 100, g);
        expect(windowLogE(c, b, (percent * 1e6) / (100 * 1e6), g)).toBeCloseTo(quiet, 9);
      }),
    );
  });

  it('is nothing when one arm has no traffic', () => {
    expect(windowLogE(5, 0, 1, 3)).toBe(0);
    expect(windowLogE(0, 5, 0, 3)).toBe(0);
  });
});
