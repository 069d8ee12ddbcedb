import { LiveView, packView, unpackView } from '#libs/application';
import { subscribe } from '#libs/event-store';
import { PostgresViewSnapshots } from '../../apps/controller/src/composition/view-snapshots.js';
import { openFilledLog, projectAnew, type FilledLog } from './filled-log.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { ratioOf, round, summarise, takeTurns } from './harness.js';

/** Microseconds for each event. */
const costOf = async (log: FilledLog): Promise<number> => {
  const { keeper, seconds } = await projectAnew(log);
  await keeper.stop();
  return (seconds * 1e6) / log.events;
};

/** What a start does instead, where the view was kept: reads that. Seconds, and the size that it has in the database. */
const keepingOf = async ({ pool, store, events }: FilledLog) => {
  const view = new LiveView();
  const follower = subscribe({ store, name: 'bench', after: 0, handle: (event) => view.apply(event) });
  const [, folded] = await timed(() => follower.reached(events));
  await follower.stop();
  const snapshots = new PostgresViewSnapshots(pool, store, 'bench');
  const { position, parts } = packView(view);
  const [, written] = await timed(() => snapshots.write(position, parts));
  const [restored, read] = await timed(() => snapshots.read(unpackView));
  if (restored?.position !== events) throw new Error('The view that was kept is not the one that was folded.');
  const { rows } = await pool.query<{ bytes: number }>(
    'select sum(length(state))::bigint as bytes from read_models.view_snapshot_parts',
  );
  return { bytes: rows[0]?.bytes ?? 0, folded, written, read };
};

const timed = async <T>(what: () => Promise<T>): Promise<readonly [T, number]> => {
  const started = performance.now();
  const result = await what();
  return [result, round((performance.now() - started) / 1_000)];
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const [few, many] = context.quick ? [10_000, 50_000] : [100_000, 1_000_000];
  const [small, large] = [await openFilledLog(context, 'rebuild', few), await openFilledLog(context, 'rebuild', many)];
  for (const { pool } of [small, large]) await pool.query('vacuum analyze');
  await costOf(small);
  const rounds = context.quick ? 5 : 3;
  const measured = await takeTurns(rounds, { small: () => costOf(small), large: () => costOf(large) });
  const keeping = await keepingOf(large);
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
  context.say(
    `  a start of ${large.events} events: ${keeping.folded} s from the first event, ${keeping.read} s from the view that was kept (${round(keeping.bytes / 1e6)} MB, written in ${keeping.written} s)`,
  );
  return {
    growth: growth.median,
    spread: growth.spread,
    events: [small.events, large.events],
    microsecondsPerEvent: costs,
    start: keeping,
  };
};

export const rebuild: Bench = {
  measures:
    'all that is made of the log, made anew from its first event: the view that a controller folds in memory, and the tables of the past; what an event costs in a long log over a short one',
  quick: '50,000 events over 10,000 instead of a million over 100,000',
  musts: [{ key: 'growth', atMost: 1.3 }],
  run: measure,
};
