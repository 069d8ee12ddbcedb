import { beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '#test/test-database';
import { crashAt, crashNowhere } from './crash-run.js';
import { choose, dealt, randomOf, seedOf } from './points.js';

/**
 * `CHAOS_POINTS=all` kills at every point, which takes minutes; otherwise the seed chooses some of the first crossings:
 * whether a run comes by a later one depends on the machine's speed.
 */
const ALL = process.env['CHAOS_POINTS'] === 'all';
const EACH_TIME = 4;
/** And of those at which the folded view is kept or read. */
const OF_VIEW = 2;
/** Deaths in one run of the script. */
const PER_RUN = 6;

const isFirst = (point: string): boolean => point.endsWith('#1');
const isOfView = (point: string): boolean => point.startsWith('view(');

const seed = seedOf(process.env);

describe(`A controller that is killed with -9 at points of its work and started again (CHAOS_SEED=${seed})`, () => {
  let untouched: Awaited<ReturnType<typeof crashNowhere>>;
  beforeAll(async () => {
    untouched = await crashNowhere(await createTestDatabase());
  }, 120_000);

  it('passes well over a hundred such points in one good and one bad rollout, and nothing is wrong without a crash', () => {
    expect(untouched.faults).toEqual([]);
    expect(untouched.points.length).toBeGreaterThan(120);
  });

  it(
    'ends with the same history as without the crash, wherever it was killed: nothing lost, doubled or stuck',
    async () => {
      const random = randomOf(seed);
      const first = untouched.points.filter(isFirst);
      const ofView = first.filter(isOfView);
      const others = first.filter((point) => !isOfView(point));
      const some = [...choose(others, EACH_TIME, random), ...choose(ofView, OF_VIEW, random)];
      const chosen = ALL ? untouched.points : some;
      let left = new Set(chosen);
      const met = new Set<string>();
      // A point that a run did not come by gets another chance in a later one, with fewer deaths around it.
      for (const perRun of ALL ? [PER_RUN, 4, 2, 1] : [PER_RUN]) {
        for (const points of dealt([...left], perRun)) {
          const run = await crashAt(await createTestDatabase(), points);
          expect(run.faults, `killed at ${run.killedAt.join(', ')}`).toEqual([]);
          expect(run.outcome, `killed at ${run.killedAt.join(', ')}`).toEqual(untouched.outcome);
          for (const point of run.killedAt) met.add(point);
        }
        left = new Set(chosen.filter((point) => !met.has(point)));
      }
      process.stdout.write(`killed at ${met.size} of ${chosen.length} points; not come by: ${[...left].join(', ')}\n`);
      expect(met.size).toBeGreaterThan(chosen.length * (ALL ? 0.95 : 0.5));
    },
    ALL ? 3_600_000 : 300_000,
  );
});
