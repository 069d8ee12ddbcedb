import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PLANTED } from './planted.js';
import { play } from './play.js';
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
