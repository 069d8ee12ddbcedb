import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pool, PoolClient } from 'pg';
import { migrate, migrationsFolder } from '#libs/postgres';

/** One file of the migrations that made the schema of a golden. */
type Migration = { readonly number: number; readonly name: string; readonly checksum: string };

/** What `golden.json` says: everything but the rows. */
export type Golden = {
  /** The release that wrote the database. */
  readonly release: { readonly version: string; readonly commit: string };
  readonly migrations: readonly Migration[];
  /** How many rows each table has; only those with any have a file. */
  readonly rows: Readonly<Record<string, number>>;
  /** The last value of each sequence that was used. */
  readonly sequences: Readonly<Record<string, number>>;
  /** Ids of tasks that were not done, and how far the log had been turned into tasks. */
  readonly open: { readonly tasks: readonly string[]; readonly checkpoint: number };
};

type Column = { readonly name: string; readonly type: string };
type Table = { readonly name: string; readonly columns: readonly Column[]; readonly key: readonly string[] };

const TABLES = `
  select n.nspname || '.' || c.relname as name,
    (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
     from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    coalesce((select json_agg(a.attname order by k.n)
     from pg_index i, unnest(i.indkey) with ordinality k(attnum, n) join pg_attribute a using (attnum)
     where i.indrelid = c.oid and i.indisprimary and a.attrelid = c.oid), '[]') as key
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema') and c.relname <> 'schema_migrations'
  order by 1`;

const SEQUENCES = `
  select schemaname || '.' || sequencename as name, last_value::int as last
  from pg_sequences where last_value is not null order by 1`;

const quote = (name: string): string =>
  name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');

const tablesOf = async (client: Pool | PoolClient): Promise<readonly Table[]> =>
  (await client.query<Table>(TABLES)).rows;

/** Rows as text that PostgreSQL itself made: one JSON array a line, JSON columns as the very text that is stored. */
const rowsOf = async (client: PoolClient, { name, columns, key }: Table): Promise<readonly string[]> => {
  const fields = columns.map((column) => quote(column.name)).join(', ');
  const order = key.length === 0 ? 'ctid' : key.map(quote).join(', ');
  const { rows } = await client.query<{ line: string }>(
    `select json_build_array(${fields})::text as line from ${quote(name)} order by ${order}`,
  );
  return rows.map(({ line }) => line);
};

const textOf = (json: unknown): string => `${JSON.stringify(json, null, 2)}\n`;
const fileOf = (folder: string, table: string): string => join(folder, `${table}.ndjson`);

export const readJson = (folder: string, name: string): unknown =>
  JSON.parse(readFileSync(join(folder, name), 'utf8')) as unknown;

export const readGolden = (folder: string): Golden => readJson(folder, 'golden.json') as Golden;

/** The rows of a table as the golden holds them, one JSON text each. */
export const linesOf = (folder: string, table: string): readonly string[] =>
  readFileSync(fileOf(folder, table), 'utf8').trimEnd().split('\n').slice(1);

const describe = async (client: PoolClient, release: Golden['release'], rows: Golden['rows']): Promise<Golden> => {
  const migrations = await client.query<Migration>(
    'select number, name, checksum from public.schema_migrations order by number',
  );
  const sequences = await client.query<{ name: string; last: number }>(SEQUENCES);
  const open = await client.query<{ id: string }>('select id from process.tasks where done_at is null order by id');
  const checkpoint = await client.query<{ position: number }>(
    `select position::int as position from process.checkpoints where name = 'conductor'`,
  );
  return {
    release,
    migrations: migrations.rows,
    rows,
    sequences: Object.fromEntries(sequences.rows.map(({ name, last }) => [name, last])),
    open: { tasks: open.rows.map(({ id }) => id), checkpoint: checkpoint.rows[0]?.position ?? 0 },
  };
};

/**
 * Leaves out what a database keeps for a while only: rows of single units and of batches. What is under way keeps all
 * of its own. The log, tasks and decisions stay as they are.
 */
export const trim = async (pool: Pool): Promise<void> => {
  for (const table of ['candidate_units', 'first_bad', 'pending'])
    await pool.query(
      `delete from evidence.${table} where 'rollout-' || rollout in (
         select stream_id from event_store.log where type in ('RolloutSettled', 'RolledBack', 'RolloutSuperseded'))`,
    );
  await pool.query(
    'delete from evidence.batches where batch not in (select batch from evidence.batches order by received_at desc limit 100)',
  );
};

/** Writes a whole database, which nobody uses meanwhile, into an empty folder. */
export const writeGolden = async (pool: Pool, folder: string, release: Golden['release']): Promise<Golden> => {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const client = await pool.connect();
  try {
    await client.query(`begin isolation level repeatable read read only`);
    await client.query(`set local timezone = 'UTC'`);
    const rows: Record<string, number> = {};
    for (const table of await tablesOf(client)) {
      const lines = await rowsOf(client, table);
      rows[table.name] = lines.length;
      if (lines.length === 0) continue;
      const head = JSON.stringify(table.columns.map(({ name }) => name));
      writeFileSync(fileOf(folder, table.name), `${[head, ...lines].join('\n')}\n`);
    }
    const golden = await describe(client, release, rows);
    await client.query('commit');
    writeFileSync(join(folder, 'golden.json'), textOf(golden));
    return golden;
  } finally {
    client.release();
  }
};

/** Applies the migrations of the golden and no later ones. Throws where a file is gone. */
const migrateAsThen = async (pool: Pool, { migrations }: Golden): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-migrations-'));
  try {
    for (const { name } of migrations) cpSync(join(migrationsFolder(), `${name}.sql`), join(folder, `${name}.sql`));
    await migrate(pool, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const load = async (client: PoolClient, table: Table, folder: string): Promise<void> => {
  const [head = '[]'] = readFileSync(fileOf(folder, table.name), 'utf8').split('\n', 1);
  const names = JSON.parse(head) as readonly string[];
  const types = new Map(table.columns.map(({ name, type }) => [name, type]));
  const values = names.map((name, index) => `(r ->> ${index})::${types.get(name) ?? `"no column ${name}"`}`);
  await client.query(
    `insert into ${quote(table.name)} (${names.map(quote).join(', ')}) overriding system value
     select ${values.join(', ')} from unnest($1::text[]) with ordinality l(line, n), lateral (select l.line::json as r) p
     order by n`,
    [linesOf(folder, table.name)],
  );
};

/**
 * Makes an empty database what it was when the golden was written: the schema of that release, then its rows. Throws
 * for a clock that is behind the golden, as nothing that is due would ever be due.
 */
export const restoreGolden = async (pool: Pool, folder: string): Promise<Golden> => {
  const golden = readGolden(folder);
  await migrateAsThen(pool, golden);
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(`set local timezone = 'UTC'`);
    const files = new Set(readdirSync(folder));
    for (const table of await tablesOf(client))
      if (files.has(`${table.name}.ndjson`)) await load(client, table, folder);
    for (const [name, last] of Object.entries(golden.sequences))
      await client.query('select setval($1::regclass, $2)', [name, last]);
    const newest = await client.query<{ recorded: string | null }>(
      `select max(recorded_at)::text as recorded from event_store.events having max(recorded_at) > clock_timestamp()`,
    );
    const ahead = newest.rows[0]?.recorded;
    if (ahead) throw new Error(`The clock of this machine is behind the golden, which was made at ${ahead}: set it.`);
    await client.query('commit');
    return golden;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
};

/** How many rows each table has now. */
export const countRows = async (pool: Pool): Promise<Readonly<Record<string, number>>> => {
  const counts: Record<string, number> = {};
  for (const { name } of await tablesOf(pool)) {
    const { rows } = await pool.query<{ rows: number }>(`select count(*)::int as rows from ${quote(name)}`);
    counts[name] = rows[0]?.rows ?? 0;
  }
  return counts;
};
