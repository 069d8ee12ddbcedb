import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import { createDatabase, createPool, databaseUrl, dropDatabase } from '#libs/postgres';
import { inject } from 'vitest';
import type {} from './global-setup.js';

/** A database of its own for one spec file. */
export type TestDatabase = {
  readonly name: string;
  readonly url: string;
  readonly pool: Pool;
  /** Empties every table but the list of migrations, also the append-only ones; much cheaper than another database. */
  readonly clear: () => Promise<void>;
  /** Ends the pool and drops the database. */
  readonly drop: () => Promise<void>;
};

/** Replica mode passes over the triggers that guard the log. */
const CLEAR = `
  do $$
  begin
    set local session_replication_role = replica;
    execute (
      select 'truncate ' || string_agg(format('%I.%I', schemaname, tablename), ', ') || ' restart identity'
      from pg_tables
      where schemaname not in ('pg_catalog', 'information_schema') and tablename <> 'schema_migrations');
  end
  $$`;

const open = async (template: string | undefined): Promise<TestDatabase> => {
  const { serverUrl } = inject('postgres');
  const name = `headgate_test_${randomUUID().replaceAll('-', '')}`;
  await createDatabase(serverUrl, name, template);
  const url = databaseUrl(serverUrl, name);
  const pool = createPool(url, { applicationName: 'headgate-test' });
  const clear = async () => {
    await pool.query(CLEAR);
  };
  const drop = async () => {
    await pool.end();
    await dropDatabase(serverUrl, name);
  };
  return { name, url, pool, clear, drop };
};

/** A copy of the migrated template. Call it in beforeAll, `clear` in beforeEach, and `drop` in afterAll. */
export const createTestDatabase = (): Promise<TestDatabase> => open(inject('postgres').template);

/** A database without any schema, for tests of the migrations themselves. */
export const createEmptyDatabase = (): Promise<TestDatabase> => open(undefined);
