import { PastEditions, type PastNews } from '#libs/application';
import type { Pool, PoolClient } from 'pg';
import { holdLive, inTransaction, writeTo } from './past-writer.js';

type Edition = { readonly edition: number; readonly fold: number; readonly position: number };

/** Rows that go at once. */
const SOME = 5_000;
const TABLES = {
  past: 'subject, aspect, at, position',
  rollout_spans: 'rollout',
  mentions: 'subject, position',
} as const;

/** An edition that is neither live nor made and still has rows. Numbers are given once. */
const STALE = `
  select g.edition
  from generate_series(1, (select last_value from read_models.past_editions_edition_seq)) as g(edition)
  where not exists (select from read_models.past_editions where edition = g.edition)
    and (${Object.keys(TABLES)
      .map((table) => `exists (select from read_models.${table} where edition = g.edition)`)
      .join(' or ')})
  limit 1`;

/** In the order of the primary key, or each time all that has gone before would be passed over again. */
const DROP = Object.entries(TABLES).map(
  ([table, key]) => `
  delete from read_models.${table}
  where ctid = any (array(
    select ctid from read_models.${table} where edition = $1 order by ${key} limit ${SOME}))`,
);

/** Editions of the past in PostgreSQL, of which one is made and one is live. */
export class PostgresPastEditions extends PastEditions {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
  }

  override begin(fold: number): Promise<number | undefined> {
    return inTransaction(this.#pool, async (client) => {
      // Whoever else begins waits here.
      const { edition: live } = await holdLive(client, fold);
      const { rows } = await client.query<Edition>('select edition, fold, position from read_models.past_editions');
      const isLiveByIt = rows.some((row) => row.edition === live && row.fold >= fold);
      // One that was begun by a fold that another one has followed since is not made to its end.
      const outdated = rows.filter((row) => row.edition !== live && (isLiveByIt ? row.fold <= fold : row.fold < fold));
      await client.query('delete from read_models.past_editions where edition = any ($1)', [
        outdated.map(({ edition }) => edition),
      ]);
      if (isLiveByIt) return undefined;
      const begun = rows.find((row) => row.edition !== live && row.fold === fold);
      if (begun !== undefined) return begun.position;
      await client.query('insert into read_models.past_editions (fold, position, live) values ($1, 0, false)', [fold]);
      return 0;
    });
  }

  override write(fold: number, after: number, news: PastNews): Promise<boolean> {
    return inTransaction(this.#pool, async (client) => {
      const made = await this.#hold(client, fold);
      if (made === undefined || made.position < after) return false;
      if (made.position < news.upTo) await writeTo(client, made, news, fold);
      return true;
    });
  }

  override goLive(fold: number): Promise<boolean> {
    return inTransaction(this.#pool, async (client) => {
      const live = await holdLive(client, fold);
      const made = await this.#hold(client, fold);
      if (made === undefined) return true;
      if (made.position < live.position) return false;
      await client.query('delete from read_models.past_editions where edition = $1', [live.edition]);
      await client.query('update read_models.past_editions set live = true where edition = $1', [made.edition]);
      return true;
    });
  }

  override async dropSome(): Promise<boolean> {
    const { rows } = await this.#pool.query<Edition>(STALE);
    const [stale] = rows;
    if (stale === undefined) return false;
    for (const statement of DROP) await this.#pool.query(statement, [stale.edition]);
    return true;
  }

  async #hold(client: PoolClient, fold: number): Promise<Edition | undefined> {
    const { rows } = await client.query<Edition>(
      'select edition, fold, position from read_models.past_editions where not live and fold = $1 for update',
      [fold],
    );
    return rows[0];
  }
}
