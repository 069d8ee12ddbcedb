import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventCodec } from '#libs/domain';
import { PostgresEventStore } from '#libs/event-store';
import { ask, clientOf } from '#test/kit/http';
import { headOf } from '#test/kit/log';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { fillLog } from '../performance/as-of-workload.js';
import { Supervised } from './supervised.js';

const EVENTS = 3_000;

/** In the middle of each transaction of an edition, and around those that end it. */
const POINTS = [
  'past-edition(insert into read_models.past_editions):after#1',
  'past-edition(insert into read_models.past):after#1',
  'past-edition(insert into read_models.mentions):before#3',
  'past-edition(update read_models.past_editions set):before#4',
  'past-edition(delete from read_models.past_editions):after#2',
  'past-edition(delete from read_models.mentions):before#1',
];

/** Every row of the past but the number of its edition. */
const rowsOf = async (pool: Pool): Promise<readonly unknown[]> => {
  const tables = ['past', 'rollout_spans', 'mentions'].map(async (table) => {
    const { rows } = await pool.query<{ count: number; digest: string }>(
      `select count(*)::int, md5(string_agg(line, '' order by line)) as digest
       from (select (to_jsonb(t) - 'edition')::text as line from read_models.${table} t) x`,
    );
    return { table, ...rows[0] };
  });
  return Promise.all(tables);
};

const editionsOf = async (pool: Pool): Promise<readonly { fold: number; live: boolean }[]> =>
  (
    await pool.query<{ fold: number; live: boolean }>(
      'select fold, live from read_models.past_editions order by edition',
    )
  ).rows;

let database: TestDatabase;
let controller: Supervised;

beforeEach(async () => {
  database = await createTestDatabase();
  await fillLog(new PostgresEventStore({ pool: database.pool, codec: eventCodec }), EVENTS, () => undefined);
});
afterEach(async () => {
  await controller.stop();
  await database.drop();
});

const run = (pastFold: number, killAt: readonly string[] = []): Supervised =>
  (controller = new Supervised({
    databaseUrl: database.url,
    env: { CHAOS_PAST_FOLD: `${pastFold}` },
    killAt,
  }).start());

describe('A controller that is killed with -9 while it makes another edition of the past', () => {
  it('goes on where it was, wherever that is, and ends with the rows of one that nobody killed', async () => {
    const first = run(1);
    const token = await until('there is an admin', () => first.adminToken(), { timeoutMs: 30_000 });
    const answers = async (): Promise<unknown> => {
      const at = await ask(controller.door(token), 'GET', '/v1/at?position=2500');
      const { items } = await clientOf(controller.door(token)).events({ config: 'config.3' });
      return { status: at.status, at: at.json, items };
    };
    await until(
      'all of the past is kept',
      async () => {
        const { rows } = await database.pool.query<{ position: number }>(
          'select position from read_models.past_editions where live',
        );
        return rows[0]?.position === (await headOf(database.pool));
      },
      { timeoutMs: 60_000 },
    );
    const [before, answered] = [await rowsOf(database.pool), await answers()];
    await first.stop();

    const killed = run(2, POINTS);
    await until(
      'another edition is live and nothing else is left',
      async () => {
        const editions = await editionsOf(database.pool);
        const { rows } = await database.pool.query('select distinct edition from read_models.mentions');
        return editions.length === 1 && editions[0]?.fold === 2 && rows.length === 1 && killed.card !== undefined;
      },
      { timeoutMs: 150_000 },
    );
    expect(killed.met.toSorted()).toEqual(POINTS.toSorted());
    expect(await rowsOf(database.pool)).toEqual(before);
    expect(await answers()).toEqual(answered);
  }, 120_000);
});
