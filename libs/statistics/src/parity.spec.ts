import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DISPARITY_ALPHA,
  differenceSequence,
  logAbove,
  logBelow,
  logDisparity,
  logParity,
  nextUniform,
  pairsToShow,
  PARITY_ALPHA,
  PARITY_BETS,
  parityOf,
  seeded,
  type PairedCounts,
} from './index.js';

/** What one pair may be, with its chance. */
type Chances = { readonly left: number; readonly right: number };

const counts = (pairs: number, leftOnly: number, rightOnly: number): PairedCounts => ({ pairs, leftOnly, rightOnly });

/** Mean e-value over all sequences of so many pairs, each with its chance. */
const enumerated = (
  logE: (of: PairedCounts) => number,
  { left, right }: Chances,
  pairs: number,
  seen: PairedCounts = counts(0, 0, 0),
): number => {
  if (seen.pairs === pairs) return Math.exp(logE(seen));
  const next = (leftOnly: number, rightOnly: number): number =>
    enumerated(logE, { left, right }, pairs, {
      pairs: seen.pairs + 1,
      leftOnly: seen.leftOnly + leftOnly,
      rightOnly: seen.rightOnly + rightOnly,
    });
  return left * next(1, 0) + right * next(0, 1) + (1 - left - right) * next(0, 0);
};

/** Exact chance that the evidence ever reaches its bound within so many pairs, looked at after each of them. */
const everReached = (reached: (of: PairedCounts) => boolean, { left, right }: Chances, most: number): number => {
  let going = new Map<string, readonly [PairedCounts, number]>([['0 0', [counts(0, 0, 0), 1]]]);
  let stopped = 0;
  for (let pairs = 1; pairs <= most; pairs += 1) {
    const next = new Map<string, readonly [PairedCounts, number]>();
    for (const [{ leftOnly, rightOnly }, chance] of going.values()) {
      for (const [l, r, p] of [[1, 0, left] as const, [0, 1, right] as const, [0, 0, 1 - left - right] as const]) {
        const after = counts(pairs, leftOnly + l, rightOnly + r);
        if (p === 0) continue;
        if (reached(after)) stopped += chance * p;
        else {
          const key = `${after.leftOnly} ${after.rightOnly}`;
          next.set(key, [after, (next.get(key)?.[1] ?? 0) + chance * p]);
        }
      }
    }
    going = next;
  }
  return stopped;
};

const chanceOf = (seed: number): (() => number) => {
  let source = seeded(seed);
  return () => {
    const [value, next] = nextUniform(source);
    source = next;
    return value;
  };
};

/** Pairs until a verdict falls, looked at after each batch of `step`; undefined when none does within `most`. */
const run = (
  { left, right }: Chances,
  until: (of: PairedCounts) => boolean,
  { seed, step, most }: { readonly seed: number; readonly step: number; readonly most: number },
): number | undefined => {
  const chance = chanceOf(seed);
  let seen = counts(0, 0, 0);
  while (seen.pairs < most) {
    let [leftOnly, rightOnly] = [seen.leftOnly, seen.rightOnly];
    for (let i = 0; i < step; i += 1) {
      const u = chance();
      if (u < left) leftOnly += 1;
      else if (u < left + right) rightOnly += 1;
    }
    seen = counts(seen.pairs + step, leftOnly, rightOnly);
    if (until(seen)) return seen.pairs;
  }
  return undefined;
};

const AT_THE_MARGIN: readonly (readonly [number, Chances])[] = [
  [0.02, { left: 0.05, right: 0.03 }],
  [0.1, { left: 0.1, right: 0 }],
  [0.1, { left: 0.4, right: 0.3 }],
  [0.5, { left: 0.6, right: 0.1 }],
];

describe('evidence that two sides are as good within a margin', () => {
  it.each(AT_THE_MARGIN)('has a mean of exactly 1 after every pair where the difference is %d', (margin, chances) => {
    for (const pairs of [1, 2, 5, 8]) {
      expect(enumerated((of) => logBelow(of, margin), chances, pairs)).toBeCloseTo(1, 10);
      expect(enumerated((of) => logAbove(of, margin), chances, pairs)).toBeCloseTo(1, 10);
    }
  });

  it.each([
    [0.1, { left: 0.3, right: 0.1 }],
    [0.1, { left: 0.9, right: 0.1 }],
    [0.02, { left: 0.03, right: 0 }],
  ])('is not expected to grow where the difference is beyond %d', (margin, chances) => {
    for (const pairs of [1, 3, 8])
      expect(enumerated((of) => logBelow(of, margin), chances, pairs)).toBeLessThanOrEqual(1);
  });

  it.each(AT_THE_MARGIN)(
    'shows parity with a chance of at most 5% where the difference is %d, looked at after each of 60 pairs',
    (margin, chances) => {
      const wrong = everReached((of) => parityOf(of, margin) === 'pass', chances, 60);
      expect(wrong).toBeLessThanOrEqual(PARITY_ALPHA);
    },
  );

  it('does err now and then at the margin, so the bound is not idle', () => {
    const wrong = everReached((of) => parityOf(of, 0.1) === 'pass', { left: 0.1, right: 0 }, 150);
    expect(wrong).toBeGreaterThan(PARITY_ALPHA / 10);
  });

  it.each(AT_THE_MARGIN)(
    'says with a chance of at most 1% that sides differ by more where the difference is %d',
    (margin, chances) => {
      expect(everReached((of) => parityOf(of, margin) === 'fail', chances, 60)).toBeLessThanOrEqual(DISPARITY_ALPHA);
    },
  );

  it('keeps its chance of error when it is stopped at the best moment of long runs', () => {
    const runs = 400;
    const wrong = Array.from({ length: runs }, (_, seed) =>
      run({ left: 0.06, right: 0.04 }, (of) => parityOf(of, 0.02) === 'pass', { seed, step: 25, most: 20_000 }),
    ).filter((pairs) => pairs !== undefined).length;
    // Three standard deviations above 5%.
    expect(wrong / runs).toBeLessThan(PARITY_ALPHA + 3 * Math.sqrt((PARITY_ALPHA * (1 - PARITY_ALPHA)) / runs));
  });

  it('does not care in which order the pairs came, nor which side is called left', () => {
    expect(logBelow(counts(100, 3, 5), 0.05)).toBe(logAbove(counts(100, 5, 3), -0.05));
    expect(logParity(counts(100, 3, 5), 0.05)).toBe(logParity(counts(100, 5, 3), 0.05));
    expect(logDisparity(counts(100, 3, 50), 0.05)).toBe(logDisparity(counts(100, 50, 3), 0.05));
  });

  it('never takes more than 2.2 times the pairs of the best single bet', () => {
    const single = (part: number, of: PairedCounts, margin: number): number => {
      const bet = part / (1 - margin);
      const same = of.pairs - of.leftOnly - of.rightOnly;
      return (
        same * Math.log1p(bet * margin) +
        of.leftOnly * Math.log1p(-part) +
        of.rightOnly * Math.log1p(bet * (1 + margin))
      );
    };
    const parts = Array.from({ length: 300 }, (_, i) => 0.0005 * (0.999 / 0.0005) ** (i / 299));
    const least = (reached: (pairs: number) => boolean): number => {
      let [low, high] = [0, 1e6];
      while (high - low > 0.5) {
        const middle = (low + high) / 2;
        if (reached(middle)) high = middle;
        else low = middle;
      }
      return high;
    };
    for (const margin of [0.01, 0.05, 0.2])
      for (const discordant of [0.01, 0.1, 0.5, 1]) {
        const at = (pairs: number) => counts(pairs, (pairs * discordant) / 2, (pairs * discordant) / 2);
        const bound = Math.log(1 / PARITY_ALPHA);
        const best = least((pairs) => Math.max(...parts.map((part) => single(part, at(pairs), margin))) >= bound);
        const own = least((pairs) => logParity(at(pairs), margin) >= bound);
        expect(own / best).toBeLessThan(2.2);
      }
  });
});

const someCounts = fc
  .tuple(
    fc.integer({ min: 1, max: 5_000 }),
    fc.float({ min: 0, max: 1, noNaN: true }),
    fc.float({ min: 0, max: 1, noNaN: true }),
  )
  .map(([pairs, a, b]) => {
    const leftOnly = Math.floor(pairs * a);
    return counts(pairs, leftOnly, Math.floor((pairs - leftOnly) * b));
  });

describe('the verdict on parity', () => {
  it.each<[string, PairedCounts, number, string]>([
    ['is not measured without pairs', counts(0, 0, 0), 0.02, 'not-measured'],
    ['is open after a few pairs', counts(20, 0, 0), 0.02, 'inconclusive'],
    ['passes when hardly any of many pairs differ', counts(2_000, 5, 6), 0.02, 'pass'],
    ['passes although many pairs differ, as often on either side', counts(20_000, 2_000, 2_000), 0.02, 'pass'],
    ['fails when the left side is bad far more often', counts(2_000, 200, 20), 0.02, 'fail'],
    ['fails when the right side is bad far more often', counts(2_000, 20, 200), 0.02, 'fail'],
    ['stays open where the difference is about the margin', counts(2_000, 60, 20), 0.02, 'inconclusive'],
  ])('%s', (_, of, margin, verdict) => {
    expect(parityOf(of, margin)).toBe(verdict);
  });

  it('agrees with the interval: shown exactly when that lies within the margin, refuted only when it lies outside', () => {
    fc.assert(
      fc.property(someCounts, fc.integer({ min: 1, max: 5_000 }), (of, marginBp) => {
        const [low, high] = differenceSequence(of, 2 * PARITY_ALPHA);
        const margin = marginBp / 10_000;
        const within = low >= -margin && high <= margin;
        const verdict = parityOf(of, margin);
        expect(verdict === 'pass').toBe(within);
        if (verdict === 'fail') expect(low >= margin || high <= -margin).toBe(true);
      }),
    );
  });
});

describe('the confidence sequence of the difference', () => {
  it('holds the observed difference, narrows with pairs and turns with the sides', () => {
    const few = differenceSequence(counts(100, 8, 5), 0.05);
    const many = differenceSequence(counts(10_000, 800, 500), 0.05);
    expect(few[0]).toBeLessThan(0.03);
    expect(few[1]).toBeGreaterThan(0.03);
    expect(many[0]).toBeGreaterThan(few[0]);
    expect(many[1]).toBeLessThan(few[1]);
    expect(many[0]).toBeGreaterThan(0);
    expect(differenceSequence(counts(100, 5, 8), 0.05)).toEqual([-few[1], -few[0]]);
  });

  it('is everything before the first pair', () => {
    expect(differenceSequence(counts(0, 0, 0), 0.05)).toEqual([-1, 1]);
  });

  it.each([
    { left: 0.3, right: 0.2 },
    { left: 0.05, right: 0 },
    { left: 0, right: 0 },
  ])('misses the truth at some time within 40 pairs with a chance of at most 5% (%o)', (chances) => {
    const truth = chances.left - chances.right;
    const misses = (of: PairedCounts): boolean => {
      const [low, high] = differenceSequence(of, 0.05);
      return truth < low || truth > high;
    };
    expect(everReached(misses, chances, 40)).toBeLessThanOrEqual(0.05);
  });
});

describe('how many pairs parity takes', () => {
  it.each([
    [0.05, 0.1],
    [0.1, 0.3],
    [0.02, 0.05],
  ])(
    'is foreseen within a quarter of what it takes on average (margin %d, %d of pairs differing)',
    (margin, discordant) => {
      const foreseen = pairsToShow(margin, discordant) ?? 0;
      const chances = { left: discordant / 2, right: discordant / 2 };
      const step = Math.ceil(foreseen / 80);
      const taken = Array.from({ length: 80 }, (_, seed) =>
        run(chances, (of) => parityOf(of, margin) === 'pass', { seed, step, most: 1e6 }),
      );
      const mean = taken.reduce<number>((sum, pairs) => sum + (pairs ?? Number.NaN), 0) / taken.length;
      expect(mean / foreseen).toBeGreaterThan(0.75);
      expect(mean / foreseen).toBeLessThan(1.25);
    },
  );

  it('is least where no pair differs, and grows as the margin shrinks', () => {
    const alike = pairsToShow(0.02, 0);
    expect(alike).toBe(273);
    expect(parityOf(counts(273, 0, 0), 0.02)).toBe('pass');
    expect(parityOf(counts(272, 0, 0), 0.02)).toBe('inconclusive');
    // As the documents say.
    expect([0.05, 0.2].map((discordant) => pairsToShow(0.02, discordant))).toEqual([1_937, 8_088]);
    expect(pairsToShow(0.01, 0.05)).toBeGreaterThan(pairsToShow(0.02, 0.05) ?? 0);
  });

  it('is nothing that could be said where no margin is left', () => {
    expect(pairsToShow(0, 0.1)).toBeNull();
    expect(pairsToShow(1, 0.1)).toBeNull();
  });

  it('rests on bets that are parts of the largest one', () => {
    expect(PARITY_BETS.every((part) => part > 0 && part < 1)).toBe(true);
  });
});
