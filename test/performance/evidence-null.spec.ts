import { describe, expect, it } from 'vitest';
import { BROKEN, harmlessRollout, type Harmless } from './evidence-null.js';

/** HEADGATE_SEED=<seed> plays others; `npm run bench` plays thousands of each kind. */
const SEED = Number(process.env['HEADGATE_SEED'] ?? 20_250_829);
const ALPHA = 0.05;
const ROLLOUTS = 60;
/** Chance that a sound gate fails here, for each kind, by bad luck. */
const BAD_LUCK = 1e-4;

/** As many of them may be rolled back, when each is with a chance of at most alpha. */
const mostByChance = (): number => {
  let chance = (1 - ALPHA) ** ROLLOUTS;
  let atMost = chance;
  let count = 0;
  while (1 - atMost > BAD_LUCK) {
    chance *= ((ROLLOUTS - count) / (count + 1)) * (ALPHA / (1 - ALPHA));
    count += 1;
    atMost += chance;
  }
  return count;
};

const rolledBack = (kind: Harmless): number =>
  Array.from({ length: ROLLOUTS }, (_, index) => harmlessRollout(kind, SEED + index, ALPHA)).filter(
    ({ failed }) => failed,
  ).length;

describe('rule 8: a harmless rollout of 20 signals on 10 targets is rolled back no more often than its alpha says', () => {
  it.each<readonly [what: string, kind: Harmless]>([
    ['where a few users are broken for everybody who serves them, and stay where they are', 'sticky broken units'],
    ['where one bad answer sets off all signals of its user at once', 'signals that share units'],
    ['where the next stage is entered as soon as the shared users look better', 'stages that react to shared units'],
    ['where outcomes come late and twice', 'late and repeated'],
  ])('%s', (_what, kind) => {
    expect(rolledBack(kind)).toBeLessThanOrEqual(mostByChance());
  });

  it('and it would be noticed if sticky users were counted by request instead of once each', () => {
    const [countedByRequest] = BROKEN;
    if (!countedByRequest) throw new Error('There is a broken rule.');
    expect(rolledBack(countedByRequest)).toBeGreaterThan(mostByChance());
  });
});
