import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Pool, PoolClient } from 'pg';

/** Any number that nothing else in the database locks; these are the letters HGM1. */
const MIGRATION_LOCK = 0x48474d31;
const NOT_ALLOWED = '42501';
const FILE_NAME = /^(\d{4})-([a-z0-9-]+)\.sql$/;

type Migration = { readonly number: number; readonly name: string; readonly sql: string; readonly checksum: string };
type Applied = { readonly number: number; readonly name: string; readonly checksum: string };

export type MigrationReport = {
  /** Names applied by this call, in order. */
  readonly applied: readonly string[];
  /** The newest migration of the schema, 0 when there is none. */
  readonly version: number;
};

/** The database was migrated by a newer Headgate, or by one with another history. */
export class SchemaMismatchError extends Error {
  override readonly name = 'SchemaMismatchError';
}

/** Why a build must leave a database alone that holds a migration which it does not know. */
export const newerSchema = (migration: string): SchemaMismatchError =>
  new SchemaMismatchError(
    `The database was migrated by a newer Headgate (${migration} is unknown here): use that version or a later one.`,
  );

/** The folder `migrations` of the package, from sources and from the build alike. */
export const migrationsFolder = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    if (existsSync(join(folder, 'package.json')) && existsSync(join(folder, 'migrations')))
      return join(folder, 'migrations');
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The folder migrations is missing beside package.json: reinstall Headgate.');
    folder = parent;
  }
};

/** Reads `NNNN-name.sql` files in order. Throws for a name that does not fit or a number given twice. */
export const readMigrations = (folder: string): readonly Migration[] => {
  const migrations = readdirSync(folder)
    .filter((file) => file.endsWith('.sql'))
    .map((file): Migration => {
      const match = FILE_NAME.exec(file);
      if (match === null) throw new Error(`Migration ${file} in ${folder} has to be named like 0001-short-name.sql.`);
      const sql = readFileSync(join(folder, file), 'utf8');
      const checksum = createHash('sha256').update(sql).digest('hex');
      return { number: Number(match[1]), name: file.slice(0, -4), sql, checksum };
    });
  migrations.sort((a, b) => a.number - b.number);
  for (const [index, migration] of migrations.entries()) {
    if (migrations[index - 1]?.number === migration.number)
      throw new Error(`Two migrations have the number of ${migration.name}: give one of them the next free number.`);
  }
  return migrations;
};

const checkHistory = (known: readonly Migration[], applied: readonly Applied[]): void => {
  for (const row of applied) {
    const migration = known.find((candidate) => candidate.number === row.number);
    if (migration === undefined) throw newerSchema(row.name);
    if (migration.checksum !== row.checksum)
      throw new SchemaMismatchError(
        `Migration ${migration.name} differs from the one that was applied to this database: restore the file, and write changes as a new migration.`,
      );
  }
  const newest = applied.at(-1)?.number ?? 0;
  const late = known.find(
    (migration) => migration.number < newest && !applied.some((row) => row.number === migration.number),
  );
  if (late !== undefined)
    throw new SchemaMismatchError(
      `Migration ${late.name} was never applied, but later ones were: give it the next free number.`,
    );
};

const PRESENT = `select to_regclass('public.schema_migrations') is not null as present`;

const readApplied = async (client: PoolClient): Promise<readonly Applied[]> => {
  const found = await client.query<{ present: boolean }>(PRESENT);
  // Whoever only runs controllers may not make tables, not even one that is there.
  if (found.rows[0]?.present !== true)
    await client.query(`create table if not exists public.schema_migrations (
      number integer primary key, name text not null, checksum text not null,
      applied_at timestamptz not null default clock_timestamp())`);
  const { rows } = await client.query<Applied>(
    'select number, name, checksum from public.schema_migrations order by number',
  );
  return rows;
};

const applyOne = async (client: PoolClient, migration: Migration): Promise<void> => {
  await client.query('begin');
  try {
    await client.query(migration.sql);
    await client.query('insert into public.schema_migrations (number, name, checksum) values ($1, $2, $3)', [
      migration.number,
      migration.name,
      migration.checksum,
    ]);
    await client.query('commit');
  } catch (cause) {
    await client.query('rollback');
    if (cause instanceof Error && 'code' in cause && cause.code === NOT_ALLOWED)
      throw new SchemaMismatchError(
        `Migration ${migration.name} is due, and this role may not change the schema: run headgate migrate --database URL as its owner first.`,
        { cause },
      );
    throw new Error(`Migration ${migration.name} failed and was taken back: ${String(cause)}`, { cause });
  }
};

const applyMissing = async (client: PoolClient, known: readonly Migration[]): Promise<MigrationReport> => {
  const applied = await readApplied(client);
  checkHistory(known, applied);
  const missing = known.slice(applied.length);
  for (const migration of missing) await applyOne(client, migration);
  return { applied: missing.map((migration) => migration.name), version: known.at(-1)?.number ?? 0 };
};

/**
 * Brings the schema up to this build: forward only, each file in its transaction, under an advisory lock, so that of
 * two at once one applies and the other finds the work done. Throws `SchemaMismatchError` when the database is newer
 * than this build or its history differs.
 */
export const migrate = async (pool: Pool, folder: string = migrationsFolder()): Promise<MigrationReport> => {
  const known = readMigrations(folder);
  const client = await pool.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK]);
    try {
      return await applyMissing(client, known);
    } finally {
      await client.query('select pg_advisory_unlock($1)', [MIGRATION_LOCK]);
    }
  } finally {
    client.release();
  }
};

/** Throws unless the schema is exactly what this build expects; changes nothing. */
export const assertMigrated = async (pool: Pool, folder: string = migrationsFolder()): Promise<void> => {
  const known = readMigrations(folder);
  const found = await pool.query<{ present: boolean }>(PRESENT);
  const rows = found.rows[0]?.present
    ? (await pool.query<Applied>('select number, name, checksum from public.schema_migrations order by number')).rows
    : [];
  checkHistory(known, rows);
  const missing = known[rows.length];
  if (missing !== undefined)
    throw new SchemaMismatchError(
      `Migration ${missing.name} is not applied yet: start a controller of this version, which applies it.`,
    );
};
