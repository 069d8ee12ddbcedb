import { describe, expect, it } from 'vitest';
import { centred, randomisationLogE, SHIFT_BETS } from './index.js';

/** Scores with heavy tails: what a bound on the values would have to be told, and this need not. */
const values = [0.01, 0.02, 0.02, 0.1, 0.3, 0.5, 1, 2, 5, 20, 300, 8_000];

/** The window in which these of the values fell on the candidate. */
const labelled = (labels: number) =>
  values.map((score, i) => {
    const candidate = (labels >> i) & 1;
    return { candidate, control: 1 - candidate, score: Math.log(score) };
  });

describe('the randomisation evidence of a window', () => {
  it.each([0.01, 0.3, 0.5])(
    'has a mean of exactly 1 over all 4,096 labellings at share %d, whatever the values',
    (rho) => {
      for (const lambda of [...SHIFT_BETS, -0.5]) {
        let mean = 0;
        for (let labels = 0; labels < 2 ** values.length; labels += 1) {
          const bins = labelled(labels);
          const chance = bins.reduce((p, { candidate }) => p * (candidate === 1 ? rho : 1 - rho), 1);
          mean += chance * Math.exp(randomisationLogE(centred(bins), rho, lambda));
        }
        expect(Math.abs(mean - 1)).toBeLessThan(1e-11);
      }
    },
  );

  it('is the same for values in one bin as for each by itself', () => {
    const together = [
      { candidate: 3, control: 4, score: 1.5 },
      { candidate: 1, control: 9, score: -2 },
    ];
    const apart = together.flatMap(({ candidate, control, score }) => [
      ...Array.from({ length: candidate }, () => ({ candidate: 1, control: 0, score })),
      ...Array.from({ length: control }, () => ({ candidate: 0, control: 1, score })),
    ]);
    expect(randomisationLogE(together, 0.2, 0.5)).toBeCloseTo(randomisationLogE(apart, 0.2, 0.5), 10);
  });

  it('grows when the candidate has the high scores, and falls when control has', () => {
    const window = (candidate: number, control: number) =>
      centred([
        { candidate, control, score: 1 },
        { candidate: 10 - candidate, control: 90 - control, score: -1 },
      ]);
    expect(randomisationLogE(window(9, 40), 0.1, 0.5)).toBeGreaterThan(1);
    expect(randomisationLogE(window(1, 48), 0.1, 0.5)).toBeLessThan(0);
  });

  it('suffers far less from a small error in the share when scores are centred', () => {
    const bins = Array.from({ length: 20 }, (_, i) => ({ candidate: 10, control: 90, score: i }));
    const errorOf = (window: typeof bins) =>
      Math.abs(randomisationLogE(window, 0.1, 0.03) - randomisationLogE(window, 0.101, 0.03));
    expect(errorOf([...centred(bins)])).toBeLessThan(errorOf(bins) / 20);
  });

  it('says nothing at a share of none or all, and stays finite for scores of any size', () => {
    const bins = [
      { candidate: 5, control: 5, score: 900 },
      { candidate: 5, control: 5, score: -900 },
    ];
    expect(randomisationLogE(bins, 0, 1)).toBe(0);
    expect(randomisationLogE(bins, 1, 1)).toBe(0);
    expect(Number.isFinite(randomisationLogE(bins, 0.5, 2))).toBe(true);
  });
});
