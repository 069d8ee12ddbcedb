import type { Pool, PoolClient } from 'pg';
import { PAST_FOLD, PastWriter, type PastNews } from '#libs/application';
import { inTransaction } from '#libs/postgres';

const ROWS = `
  insert into read_models.past
    (edition, subject, aspect, at, position, recorded_at, precision, stands, type, actor, reason)
  select $2, subject, aspect, at, position, "recordedAt", precision, stands, type, actor, reason
  from json_to_recordset($1::json) as x(subject text, aspect text, at bigint, position bigint, "recordedAt" bigint,
    precision text, stands json, type text, actor text, reason text)
  on conflict do nothing`;

const SPANS = `
  insert into read_models.rollout_spans as known
    (edition, rollout, config, revision, plan, targets, actor, reason, reverts, bypass, span)
  select $2, rollout, config, revision, plan, array(select json_array_elements_text(targets)), actor, reason, reverts, bypass,
    int8range("startedAt", "endedAt", '[]')
  from json_to_recordset($1::json) as x(rollout text, config text, revision integer, plan text, targets json, actor text,
    reason text, reverts integer, bypass text, "startedAt" bigint, "endedAt" bigint)
  on conflict (edition, rollout) do update set span = excluded.span`;

const MENTIONS = `
  insert into read_models.mentions (edition, subject, position)
  select $3, * from unnest($1::text[], $2::bigint[]) on conflict do nothing`;

type Edition = { readonly edition: number; readonly position: number };

/**
 * Adds to an edition what it does not have yet. Its row is held by the transaction. An edition is by the earliest fold that
 * wrote to it: what an older version adds beside a newer one, or after a way back to it, is made anew by the newer one.
 */
export const writeTo = async (
  client: PoolClient,
  { edition, position: kept }: Edition,
  { upTo, rows, spans, mentions }: PastNews,
  fold: number,
): Promise<void> => {
  const fresh = rows.filter(({ position }) => position > kept);
  if (fresh.length > 0) await client.query(ROWS, [JSON.stringify(fresh), edition]);
  if (spans.length > 0) await client.query(SPANS, [JSON.stringify(spans), edition]);
  const told = mentions.filter(({ position }) => position > kept);
  if (told.length > 0)
    await client.query(MENTIONS, [told.map(({ subject }) => subject), told.map(({ position }) => position), edition]);
  await client.query('update read_models.past_editions set position = $2, fold = least(fold, $3) where edition = $1', [
    edition,
    upTo,
    fold,
  ]);
};

/** Holds the live edition until the end of the transaction: one controller writes at a time. */
export const holdLive = async (client: PoolClient, fold: number): Promise<Edition> => {
  for (;;) {
    const { rows } = await client.query<Edition>(
      'select edition, position from read_models.past_editions where live for update',
    );
    const [live] = rows;
    if (live !== undefined) return live;
    // There is none, or another one has just taken its place and is found when asked again.
    await client.query(
      'insert into read_models.past_editions (fold, position, live) values ($1, 0, true) on conflict (live) where live do nothing',
      [fold],
    );
  }
};

/** The live edition of the past and how far it is, which move together. */
export class PostgresPastWriter extends PastWriter {
  readonly #pool: Pool;
  readonly #fold: number;

  constructor(pool: Pool, fold = PAST_FOLD) {
    super();
    this.#pool = pool;
    this.#fold = fold;
  }

  async position(): Promise<number> {
    const { rows } = await this.#pool.query<Edition>('select position from read_models.past_editions where live');
    return rows[0]?.position ?? 0;
  }

  async write(after: number, news: PastNews): Promise<number> {
    // With several controllers it often is there already: then none waits for another.
    const kept = await this.position();
    if (kept >= news.upTo) return kept;
    return inTransaction(this.#pool, async (client) => {
      const live = await holdLive(client, this.#fold);
      if (live.position < after || live.position >= news.upTo) return live.position;
      await writeTo(client, live, news, this.#fold);
      return news.upTo;
    });
  }
}

/** Empties what is kept of the past; controllers fold it again from the log. */
export const emptyPast = async (pool: Pool): Promise<void> => {
  await pool.query('delete from read_models.past_editions');
  await pool.query('truncate read_models.past, read_models.rollout_spans, read_models.mentions');
};
