import { beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '#test/test-database';
import { crashAt, crashNowhere, freezeAt, type CrashRun } from './crash-run.js';
import { choose, dealt, randomOf, seedOf } from './points.js';

/**
 * `CHAOS_POINTS=all` kills and freezes at every point, which takes nearly half an hour; otherwise the seed chooses some of the
 * first crossings: whether a run comes by a later one depends on the machine's speed.
 */
const ALL = process.env['CHAOS_POINTS'] === 'all';
const EACH_TIME = 4;
/** And of those at which the folded view is kept or read. */
const OF_VIEW = 2;
/** The other controller may come by a point instead: by about half of them. */
const FROZEN_EACH_TIME = 4;
/** Deaths, or times of standing still, in one run of the script. */
const PER_RUN = 6;
const FROZEN_PER_RUN = 4;
/** One that stands still leaves the processor to others. */
const AT_ONCE = 3;

const isFirst = (point: string): boolean => point.endsWith('#1');
const isOfView = (point: string): boolean => point.startsWith('view(');

const seed = seedOf(process.env);

type Run = (points: readonly string[]) => Promise<CrashRun>;

/** Runs them, so many at a time, and gives the points that were met. */
const runAll = async (
  lists: readonly (readonly string[])[],
  run: Run,
  untouched: CrashRun,
  atOnce = 1,
): Promise<ReadonlySet<string>> => {
  const met = new Set<string>();
  const left = [...lists];
  const runNext = async (): Promise<void> => {
    for (let points = left.shift(); points !== undefined; points = left.shift()) {
      const { faults, outcome, met: here } = await run(points);
      expect(faults, `met ${here.join(', ')}`).toEqual([]);
      expect(outcome, `met ${here.join(', ')}`).toEqual(untouched.outcome);
      for (const point of here) met.add(point);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, runNext));
  return met;
};

const told = (what: string, met: ReadonlySet<string>, chosen: readonly string[]): void => {
  const left = chosen.filter((point) => !met.has(point));
  process.stdout.write(`${what} at ${met.size} of ${chosen.length} points; not come by: ${left.join(', ')}\n`);
};

describe(`A controller that is killed with -9, or stands still, at points of its work (CHAOS_SEED=${seed})`, () => {
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
      const met = new Set<string>();
      // A point that a run did not come by gets another chance in a later one, with fewer deaths around it.
      for (const perRun of ALL ? [PER_RUN, 4, 2, 1] : [PER_RUN]) {
        const left = chosen.filter((point) => !met.has(point));
        const run: Run = async (points) => crashAt(await createTestDatabase(), points);
        for (const point of await runAll(dealt(left, perRun), run, untouched)) met.add(point);
      }
      told('killed', met, chosen);
      expect(met.size).toBeGreaterThan(chosen.length * (ALL ? 0.95 : 0.5));
    },
    ALL ? 3_600_000 : 300_000,
  );

  it(
    'beside another one: the other one brings all of it to the same end, wherever it stood still for a while, and it goes on later',
    async () => {
      const first = untouched.points.filter(isFirst);
      const chosen = ALL ? first : choose(first, FROZEN_EACH_TIME, randomOf(seed + 1));
      const met = new Set<string>();
      for (const perRun of [FROZEN_PER_RUN, FROZEN_PER_RUN, 3, 2]) {
        if (!ALL && met.size > 0) break;
        const left = chosen.filter((point) => !met.has(point));
        const run: Run = async (points) => freezeAt(await createTestDatabase(), points);
        for (const point of await runAll(dealt(left, perRun), run, untouched, ALL ? AT_ONCE : 1)) met.add(point);
      }
      told('stood still', met, chosen);
      expect(met.size).toBeGreaterThan(ALL ? chosen.length * 0.8 : 0);
    },
    ALL ? 3_600_000 : 300_000,
  );
});
