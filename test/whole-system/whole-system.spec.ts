import { beforeAll, describe, expect, it } from 'vitest';
import { play } from './play.js';
import { alarmsOf, noRuns, notComeBy, playInto, runOf, showShortest, SHRINK_MS } from './tally.js';

/**
 * One seed is one run of the whole system. HEADGATE_SEED is the first of them, so that of a failure is repeated at once;
 * HEADGATE_RUNS says how many there are. `npm run wide` plays thousands on all cores.
 */
const FIRST = Number(process.env['HEADGATE_SEED'] ?? 20_250_829);
const RUNS = Number(process.env['HEADGATE_RUNS'] ?? 80);
const TIMEOUT_MS = 30_000 + RUNS * 4_000;

const tally = noRuns();

beforeAll(async () => {
  const begun = performance.now();
  for (let seed = FIRST; seed < FIRST + RUNS; seed += 1) await playInto(tally, seed);
  const perMinute = Math.round((RUNS * 60_000) / (performance.now() - begun));
  process.stdout.write(`${RUNS} runs of the whole system from HEADGATE_SEED=${FIRST}, ${perMinute} a minute\n`);
}, TIMEOUT_MS);

/** Fails with the shortest run that still breaks the rule, and its story. */
const holds = async (rule: number): Promise<void> => {
  const seed = tally.failures.get(rule);
  if (seed !== undefined) await showShortest(rule, seed);
};

describe('the runs of the whole system that are played', () => {
  it('come by every event of a rollout, every command and every kind of trouble, so that the rules below mean something', () => {
    expect(notComeBy(tally)).toEqual([]);
  });

  it('are repeated by their seed, event by event', async () => {
    const [once, again] = [await play(runOf(FIRST)), await play(runOf(FIRST))];
    expect(again.events).toEqual(once.events);
    expect(again.witness.held).toEqual(once.witness.held);
  });
});

describe('whatever happens to rollouts, controllers, targets, fleets and people', { timeout: 2 * SHRINK_MS }, () => {
  it('rule 1: no target and no instance serves anything that a durable event had not asked for before', () => holds(1));

  it('rule 2: while anything is exposed a task leads it, it can be aborted, and a failed signal takes it back, however the world stands', () =>
    holds(2));

  it('rule 3: no stage passes and nothing settles without a pass of every signal that decides, judged again from what was counted', () =>
    holds(3));

  it('rule 4: no stage passes without its bake, its requests, its units and every instance, as each is seen besides', () =>
    holds(4));

  it('rule 5: a rollback runs on the targets that answer while others are down, ends once they are back, and only people give a target up', () =>
    holds(5));

  it('rule 6: no target ever goes back to an older generation, however late a delivery arrives', () => holds(6));

  it('rule 7: last known good moves only when a rollout settles, and a rollback goes back to what was live when it started', () =>
    holds(7));

  it('rule 8: of instances exactly as many are drawn as are asked for, and whoever was chosen stays', () => holds(8));

  it('rule 8: harmless rollouts are taken back by what the bound covers no more often than their alphas allow', () => {
    const { isWithin, words } = alarmsOf(tally);
    process.stdout.write(`${words}\n`);
    expect(isWithin, words).toBe(true);
  });

  it('rule 10: nothing is lost, doubled or left behind, and in the end every instance serves what was asked for last', () =>
    holds(10));

  it('rule 11: no event holds anything that users sent, nor who they are', () => holds(11));

  it('rule 12: every verdict of the whole history comes out again from the stored looks, with its counts and its digest', () =>
    holds(12));
});
