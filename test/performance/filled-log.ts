import { LiveView, PastKeeper } from '#libs/application';
import { eventCodec } from '#libs/domain';
import { PostgresEventStore, subscribe } from '#libs/event-store';
import { createPool } from '#libs/postgres';
import type { Pool } from 'pg';
import { emptyPast, PostgresPastWriter } from '../../apps/controller/src/composition/past-writer.js';
import { fillLog } from './as-of-workload.js';
import type { BenchContext } from './harness.js';
import { round } from './harness.js';

/** A log of about so many events in a database of its own. */
export type FilledLog = { readonly pool: Pool; readonly store: PostgresEventStore; readonly events: number };

const EVERY = 500_000;

export const openFilledLog = async (context: BenchContext, name: string, events: number): Promise<FilledLog> => {
  const pool = createPool(await context.database(`bench_${name}_${events}`), { max: 8 });
  const store = new PostgresEventStore({ pool, codec: eventCodec });
  const started = performance.now();
  let told = 0;
  const written = await fillLog(store, events, (done) => {
    if (done - told < EVERY) return;
    told = done;
    context.say(`    ${done} events written`);
  });
  context.say(`  ${written} events written in ${round((performance.now() - started) / 1_000)} s`);
  return { pool, store, events: written };
};

export type Projected = { readonly view: LiveView; readonly keeper: PastKeeper; readonly seconds: number };

/** Empties all that is made of the log and makes it anew: the view in memory, and the tables of the past. */
export const projectAnew = async ({ pool, store, events }: FilledLog): Promise<Projected> => {
  await emptyPast(pool);
  const started = performance.now();
  const view = new LiveView();
  const follower = subscribe({ store, name: 'bench', after: 0, handle: (event) => view.apply(event) });
  await follower.reached(events);
  await follower.stop();
  const writer = new PostgresPastWriter(pool);
  const failures: unknown[] = [];
  const keeper = new PastKeeper(view, store, writer, { kept: 0, report: (error) => failures.push(error) });
  await keeper.caughtUp();
  const seconds = (performance.now() - started) / 1_000;
  if (failures.length > 0 || (await writer.position()) !== events)
    throw new Error(`Kept up to ${await writer.position()} of ${events}: ${String(failures[0])}`);
  return { view, keeper, seconds };
};
