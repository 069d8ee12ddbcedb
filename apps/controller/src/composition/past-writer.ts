import type { Pool, PoolClient } from 'pg';
import { PastWriter, type PastNews } from '#libs/application';

const CHECKPOINT = 'past';

const ROWS = `
  insert into read_models.past
    (subject, aspect, at, position, recorded_at, precision, stands, type, actor, reason)
  select subject, aspect, at, position, "recordedAt", precision, stands, type, actor, reason
  from json_to_recordset($1::json) as x(subject text, aspect text, at bigint, position bigint, "recordedAt" bigint,
    precision text, stands json, type text, actor text, reason text)
  on conflict do nothing`;

const SPANS = `
  insert into read_models.rollout_spans as known
    (rollout, config, revision, plan, targets, actor, reason, reverts, bypass, span)
  select rollout, config, revision, plan, array(select json_array_elements_text(targets)), actor, reason, reverts, bypass,
    int8range("startedAt", "endedAt", '[]')
  from json_to_recordset($1::json) as x(rollout text, config text, revision integer, plan text, targets json, actor text,
    reason text, reverts integer, bypass text, "startedAt" bigint, "endedAt" bigint)
  on conflict (rollout) do update set span = excluded.span`;

const MENTIONS = `
  insert into read_models.mentions (subject, position)
  select * from unnest($1::text[], $2::bigint[]) on conflict do nothing`;

/** The tables of the past and their checkpoint, which move together. */
export class PostgresPastWriter extends PastWriter {
  readonly #pool: Pool;

  constructor(pool: Pool) {
    super();
    this.#pool = pool;
  }

  async position(): Promise<number> {
    const { rows } = await this.#pool.query<{ readonly position: number }>(
      'select position from process.checkpoints where name = $1',
      [CHECKPOINT],
    );
    return rows[0]?.position ?? 0;
  }

  async write(after: number, news: PastNews): Promise<number> {
    const client = await this.#pool.connect();
    let broken: Error | undefined;
    try {
      await client.query('begin');
      const kept = await this.#writeOn(client, after, news);
      await client.query('commit');
      return kept;
    } catch (error) {
      // Closing the connection ends the transaction.
      broken = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      client.release(broken);
    }
  }

  async #writeOn(client: PoolClient, after: number, { upTo, rows, spans, mentions }: PastNews): Promise<number> {
    const checkpoint = await this.#checkpoint(client);
    if (checkpoint < after || checkpoint >= upTo) return checkpoint;
    const fresh = rows.filter(({ position }) => position > checkpoint);
    if (fresh.length > 0) await client.query(ROWS, [JSON.stringify(fresh)]);
    if (spans.length > 0) await client.query(SPANS, [JSON.stringify(spans)]);
    const told = mentions.filter(({ position }) => position > checkpoint);
    if (told.length > 0)
      await client.query(MENTIONS, [told.map(({ subject }) => subject), told.map(({ position }) => position)]);
    await client.query('update process.checkpoints set position = $2, moved_at = clock_timestamp() where name = $1', [
      CHECKPOINT,
      upTo,
    ]);
    return upTo;
  }

  /** Holds it until the end of the transaction: one controller writes at a time. */
  async #checkpoint(client: PoolClient): Promise<number> {
    await client.query(
      `insert into process.checkpoints (name, position)
       select $1, 0 where not exists (select from process.checkpoints where name = $1) on conflict (name) do nothing`,
      [CHECKPOINT],
    );
    const { rows } = await client.query<{ readonly position: number }>(
      'select position from process.checkpoints where name = $1 for update',
      [CHECKPOINT],
    );
    return rows[0]?.position ?? 0;
  }
}

/** Empties what is kept of the past; controllers fold it again from the log. */
export const emptyPast = async (pool: Pool): Promise<void> => {
  await pool.query(`
    with emptied as (delete from process.checkpoints where name = '${CHECKPOINT}')
    select 1`);
  await pool.query('truncate read_models.past, read_models.rollout_spans, read_models.mentions');
};
