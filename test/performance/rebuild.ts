import { openFilledLog, projectAnew, type FilledLog } from './filled-log.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, round, summarise, takeTurns } from './harness.js';

/** Microseconds for each event. */
const costOf = async (log: FilledLog): Promise<number> => {
  const { keeper, seconds } = await projectAnew(log);
  await keeper.stop();
  return (seconds * 1e6) / log.events;
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const [few, many] = context.quick ? [10_000, 50_000] : [100_000, 1_000_000];
  const [small, large] = [await openFilledLog(context, 'rebuild', few), await openFilledLog(context, 'rebuild', many)];
  for (const { pool } of [small, large]) await pool.query('vacuum analyze');
  await costOf(small);
  const rounds = context.quick ? 5 : 3;
  const measured = await takeTurns(rounds, { small: () => costOf(small), large: () => costOf(large) });
  for (const { pool } of [small, large]) await pool.end();
  const growth = ratioOf(measured.large, measured.small);
  const costs = { small: summarise(measured.small), large: summarise(measured.large) };
  for (const [log, cost] of [
    [small, costs.small],
    [large, costs.large],
  ] as const)
    context.say(
      `  ${log.events} events: ${round(cost.median)} us an event (spread ${cost.spread}), ${round((cost.median * log.events) / 1e6)} s in all`,
    );
  return {
    growth: growth.median,
    spread: growth.spread,
    events: [small.events, large.events],
    microsecondsPerEvent: costs,
  };
};

export const rebuild: Bench = {
  measures:
    'all that is made of the log, made anew from its first event: the view that a controller folds in memory, and the tables of the past; what an event costs in a long log over a short one',
  quick: '50,000 events over 10,000 instead of a million over 100,000',
  musts: [{ key: 'growth', atMost: 1.3 }],
  run: measure,
};
