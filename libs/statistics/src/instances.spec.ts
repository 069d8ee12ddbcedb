import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkpointMass,
  instanceLogE,
  instanceScores,
  logChoose,
  logElementary,
  logWealthOfDraw,
  mostOfDraw,
  payDraw,
  startDraw,
  type DrawProcess,
} from './instances.js';
import { nextUniform, seeded, type Seed } from './random.js';

/** All choices of k of n, as lists of who is chosen. */
const choices = (n: number, k: number): readonly (readonly boolean[])[] => {
  if (k === 0) return [Array.from({ length: n }, () => false)];
  if (n === k) return [Array.from({ length: n }, () => true)];
  return [
    ...choices(n - 1, k - 1).map((rest) => [true, ...rest]),
    ...choices(n - 1, k).map((rest) => [false, ...rest]),
  ];
};

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The evidence that those chosen are worse: higher, or with sign -1 lower. */
const logEOf = (values: readonly number[], chosen: readonly boolean[], noise = 0, sign = 1): number =>
  instanceLogE(
    instanceScores(values.map((value) => ({ value, noise }))).map((score, i) => ({
      score: sign * score,
      isChosen: chosen[i] === true,
    })),
  );

/** A fleet over time: what each instance came to at each checkpoint, whoever serves what. */
const wild = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.double({ min: -1e12, max: 1e12, noNaN: true }),
  fc.constantFrom(0, 0, 1e-9, 1e9),
);
const fleet = fc.integer({ min: 2, max: 7 }).chain((n) =>
  fc.record({
    n: fc.constant(n),
    k: fc.integer({ min: 1, max: n - 1 }),
    courses: fc.array(fc.array(wild, { minLength: n, maxLength: n }), { minLength: 1, maxLength: 4 }),
    noise: fc.constantFrom(0, 0.01, 1e6),
  }),
);

const wealthOf = (courses: readonly (readonly number[])[], chosen: readonly boolean[], noise: number): number => {
  const draw = startDraw(1);
  for (const [index, values] of courses.entries()) payDraw(draw, logEOf(values, chosen, noise), index + 1);
  return Math.exp(logWealthOfDraw(draw));
};

describe('the permutation of instances', () => {
  it('sums over all choices', () => {
    expect(Math.exp(logElementary([1, 2, 3].map(Math.log), 2))).toBeCloseTo(2 + 3 + 6, 9);
    expect(Math.exp(logElementary([1, 2, 3].map(Math.log), 3))).toBeCloseTo(6, 9);
    expect(logElementary([0, 0], 0)).toBe(0);
    for (const k of [1, 3, 6, 9])
      expect(
        logElementary(
          Array.from({ length: 10 }, () => 0),
          k,
        ),
      ).toBeCloseTo(logChoose(10, k), 9);
  });

  it('does not overflow for two thousand instances', () => {
    const logs = Array.from({ length: 2_000 }, (_, i) => (i % 7) - 3);
    expect(Number.isFinite(logElementary(logs, 1_000))).toBe(true);
    expect(Number.isFinite(logElementary(logs, 1_999))).toBe(true);
  });

  it('has a mean of exactly one over all choices, whatever the instances are like', () => {
    fc.assert(
      fc.property(fleet, ({ n, k, courses: [values = []], noise }) => {
        const es = choices(n, k).map((chosen) => Math.exp(logEOf(values, chosen, noise)));
        expect(mean(es)).toBeCloseTo(1, 7);
      }),
    );
  });

  it('bounds all checkpoints of a draw together: the mean of the highest wealth is at most one', () => {
    fc.assert(
      fc.property(fleet, ({ n, k, courses, noise }) => {
        const last = choices(n, k).map((chosen) => wealthOf(courses, chosen, noise));
        expect(mean(last)).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });

  it('never loses wealth at a checkpoint, so the last one is the highest', () => {
    fc.assert(
      fc.property(fleet, ({ n, k, courses, noise }) => {
        const [chosen = []] = choices(n, k);
        const wealths = courses.map((_, end) => wealthOf(courses.slice(0, end + 1), chosen, noise));
        for (const [i, wealth] of wealths.entries())
          expect(wealth).toBeGreaterThanOrEqual((wealths[i - 1] ?? 0) - 1e-12);
      }),
    );
  });

  it('gives its checkpoints a mass of one in all', () => {
    const masses = Array.from({ length: 100_000 }, (_, n) => checkpointMass(n));
    expect(masses.reduce((sum, mass) => sum + mass, 0)).toBeLessThan(1);
    expect(masses.reduce((sum, mass) => sum + mass, 0)).toBeGreaterThan(0.9999);
  });

  it('shows two bad ones of eight nearly as clearly as eight instances can', () => {
    const values = [0.04, 0.041, 0.002, 0.001, 0.002, 0.003, 0.002, 0.001];
    const logE = logEOf(values, [true, true]);
    expect(Math.exp(logE)).toBeGreaterThan(20);
    expect(logE).toBeLessThanOrEqual(logChoose(8, 2));
    expect(logEOf(values, [true, true], 0, -1)).toBeLessThan(0);
  });

  it('shows it in the same way beside a machine that is always far worse than all others', () => {
    const values = [0.04, 0.041, 0.042, 0.5, 0.002, 0.001, 0.002, 0.003, 0.002, 0.001, 0.002, 0.002];
    expect(Math.exp(logEOf(values, [true, true, true]))).toBeGreaterThan(30);
  });

  it('says nothing where all are alike, or nobody or everybody was chosen', () => {
    expect(logEOf([1, 1, 1], [true])).toBeCloseTo(0, 12);
    expect(logEOf([1, 2, 3], [])).toBe(0);
    expect(logEOf([1, 2, 3], [true, true, true])).toBe(0);
  });

  it('can show no more than the number of choices, and most of that soon', () => {
    const draw = startDraw(1);
    for (let n = 0; n < 5_000; n += 1) payDraw(draw, logChoose(8, 2), 1);
    expect(Math.exp(logWealthOfDraw(draw))).toBeLessThan(28);
    expect(Math.exp(mostOfDraw(8, 2))).toBeGreaterThan(18);
    expect(mostOfDraw(8, 2)).toBeLessThan(logWealthOfDraw(draw));
    expect([mostOfDraw(8, 0), mostOfDraw(8, 8), mostOfDraw(1, 1)]).toEqual([0, 0, 0]);
  });

  it('measures how far each is from the middle, and lets nobody be further than three', () => {
    expect(instanceScores([1, 2, 3, 4, 1_000].map((value) => ({ value, noise: 0 }))).map(Math.round)).toEqual([
      -1, -1, 0, 1, 3,
    ]);
  });
});

/** A number drawn from a Poisson distribution, and the source after it. */
const poisson = (source: Seed, rate: number): readonly [number, Seed] => {
  let [product, after] = nextUniform(source);
  let count = 0;
  while (product > Math.exp(-rate)) {
    const [next, then] = nextUniform(after);
    product *= next;
    after = then;
    count += 1;
  }
  return [count, after];
};

/** Whether a harmless rollout on a fleet with strongly different machines ever raises an alarm at `alpha`. */
const alarms = (seed: number, alpha: number): { readonly byInstance: boolean; readonly byRequest: boolean } => {
  const [n, k, requests] = [12, 3, 400];
  let source = seeded(seed);
  const draw = (): number => {
    const [uniform, after] = nextUniform(source);
    source = after;
    return uniform;
  };
  // A quarter of the machines is ten times as bad as the others.
  const rates = Array.from({ length: n }, () => (draw() < 0.25 ? 0.05 : 0.005));
  const order = rates.map((_, i) => i).toSorted((a, b) => ((a * 7 + seed) % n) - ((b * 7 + seed) % n));
  for (let i = n - 1; i > 0; i -= 1) {
    const j = Math.floor(draw() * (i + 1));
    [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
  }
  const chosen = new Set(order.slice(0, k));
  const bad = rates.map(() => 0);
  const process: DrawProcess = startDraw(10);
  let byRequest = false;
  let sent = 0;
  for (let window = 0; window < 40; window += 1) {
    sent += requests;
    for (const [i, rate] of rates.entries()) {
      const [count, after] = poisson(source, rate * requests);
      source = after;
      bad[i] = (bad[i] ?? 0) + count;
    }
    const total = bad.reduce((sum, each) => sum + each, 0);
    const onChosen = [...chosen].reduce((sum, i) => sum + (bad[i] ?? 0), 0);
    const share = k / n;
    // Requests as if they were independent: the normal test at one look would be far beyond five deviations.
    byRequest ||= (onChosen - total * share) / Math.sqrt(total * share * (1 - share)) > 5;
    if (total < process.next) continue;
    const noise = total / (n * sent) / sent;
    const is = bad.map((_, i) => chosen.has(i));
    payDraw(
      process,
      logEOf(
        bad.map((each) => each / sent),
        is,
        noise,
      ),
      total,
    );
  }
  return { byInstance: logWealthOfDraw(process) >= -Math.log(alpha), byRequest };
};

it('raises no more false alarms than alpha on a fleet with slow machines, where independent requests would', () => {
  const runs = Array.from({ length: 1_500 }, (_, seed) => alarms(seed + 1, 0.1));
  const part = (is: (run: (typeof runs)[number]) => boolean): number => runs.filter(is).length / runs.length;
  expect(part(({ byInstance }) => byInstance)).toBeLessThanOrEqual(0.1);
  expect(part(({ byRequest }) => byRequest)).toBeGreaterThan(0.2);
}, 60_000);
