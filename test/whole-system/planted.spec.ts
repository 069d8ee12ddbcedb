import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLANTED } from './planted/index.js';
import { play } from './play.js';
import { seeing, verdictsAs } from './planting.js';
import { chanceOf, harmlessOf, LEAST_CHANCE, type Harmless } from './rules/alarms.js';
import { brokenBy } from './rules/index.js';
import { runs } from './steps.js';

const FIRST = 501;
const MOST_RUNS = 200;

/** How many runs it takes to find a planted fault; undefined when none of many does. */
const found = async ({
  rule,
  planted,
  seed = FIRST,
  says = /./,
}: (typeof PLANTED)[number]): Promise<number | undefined> => {
  for (let played = 1; played <= MOST_RUNS; played += 1) {
    const [run] = fc.sample(runs, { seed: seed + played - 1, numRuns: 1 });
    if (run && brokenBy(await play(run, planted), rule).some((what) => says.test(what))) return played;
  }
  return undefined;
};

describe('the rules find', () => {
  for (const fault of PLANTED) {
    it(`rule ${fault.rule}: ${fault.what}`, { timeout: 120_000 }, async () => {
      expect(await found(fault)).toBeLessThanOrEqual(MOST_RUNS);
    });
  }
});

describe('the count of false alarms', () => {
  const PLAYED = 32;

  it('rule 8: finds a decider that takes back what is not shown harmful', { timeout: 120_000 }, async () => {
    const harmless: Harmless[] = [];
    for (const run of fc.sample(runs, { seed: FIRST, numRuns: PLAYED }))
      harmless.push(...harmlessOf(await play(run, seeing(verdictsAs('pass', 'fail')))));
    const alarms = harmless.filter(({ isAlarm }) => isAlarm);
    const alphas = harmless.map(({ alpha }) => alpha);
    expect(chanceOf(alarms.length, alphas)).toBeLessThan(LEAST_CHANCE);
  });

  it('is the binomial distribution where all chances are the same', () => {
    expect(chanceOf(0, [0.1, 0.1, 0.1])).toBeCloseTo(1, 12);
    expect(chanceOf(2, [0.1, 0.1, 0.1])).toBeCloseTo(3 * 0.01 * 0.9 + 0.001, 12);
    expect(chanceOf(3, [0.1, 0.2, 0.5])).toBeCloseTo(0.01, 12);
  });
});
