import { PastEditions, type PastNews } from '#libs/application';
import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '#libs/postgres';
import { holdLive, writeTo } from './past-writer.js';

type Edition = { readonly edition: number; readonly fold: number; readonly position: number };

/** Blocks of a table whose rows go at once: some thousands. */
const BLOCKS = 250;
const TABLES = ['past', 'rollout_spans', 'mentions'] as const;

/** Editions that are neither live nor made and still have rows. Numbers are given once. */
const STALE = `
  select g.edition
  from generate_series(1, (select last_value from read_models.past_editions_edition_seq)) as g(edition)
  where not exists (select from read_models.past_editions where edition = g.edition)
    and (${TABLES.map((table) => `exists (select from read_models.${table} where edition = g.edition)`).join(' or ')})`;

const SIZES = TABLES.map(
  (name) => `
  select '${name}' as table,
    (pg_relation_size('read_models.${name}') / current_setting('block_size')::integer)::integer as blocks`,
).join(' union all ');

/** Block after block, since an index would lead past all the rows again that have gone before. */
const dropFrom = (table: string): string =>
  `delete from read_models.${table} where edition = any ($1) and ctid >= $2::tid and ctid < $3::tid`;

type Piece = { readonly table: string; readonly editions: readonly number[]; readonly block: number };

/** Editions of the past in PostgreSQL, of which one is made and one is live. */
export class PostgresPastEditions extends PastEditions {
  readonly #pool: Pool;
  #toDrop: Piece[] | undefined;

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
    this.#toDrop ??= await this.#pieces();
    const piece = this.#toDrop.shift();
    if (piece === undefined) {
      this.#toDrop = undefined;
      return false;
    }
    const { table, editions, block } = piece;
    await this.#pool.query(dropFrom(table), [editions, `(${block},0)`, `(${block + BLOCKS},0)`]);
    return true;
  }

  /** Nobody writes to a stale edition any more, so that each block has to be looked at once. */
  async #pieces(): Promise<Piece[]> {
    const stale = await this.#pool.query<Edition>(STALE);
    const editions = stale.rows.map(({ edition }) => edition);
    if (editions.length === 0) return [];
    const { rows } = await this.#pool.query<{ table: string; blocks: number }>(SIZES);
    return rows.flatMap(({ table, blocks }) =>
      Array.from({ length: Math.ceil(blocks / BLOCKS) }, (_, n) => ({ table, editions, block: n * BLOCKS })),
    );
  }

  async #hold(client: PoolClient, fold: number): Promise<Edition | undefined> {
    const { rows } = await client.query<Edition>(
      'select edition, fold, position from read_models.past_editions where not live and fold = $1 for update',
      [fold],
    );
    return rows[0];
  }
}
