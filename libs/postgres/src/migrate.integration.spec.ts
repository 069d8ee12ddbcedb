import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestDatabase } from '#test/test-database';
import { createEmptyDatabase } from '#test/test-database';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertMigrated, createPool, migrate, SchemaMismatchError } from './index.js';

let database: TestDatabase;
let folder: string;
const write = (name: string, sql: string) => writeFileSync(join(folder, name), sql);

beforeEach(async () => {
  database = await createEmptyDatabase();
  folder = mkdtempSync(join(tmpdir(), 'migrations-'));
  write('0001-first.sql', 'create table first (id int);');
});

afterEach(async () => {
  await database.drop();
  rmSync(folder, { recursive: true });
});

describe('migrations', () => {
  it('apply what is missing, in order, and nothing twice', async () => {
    write('0002-second.sql', 'alter table first add column name text;');
    expect(await migrate(database.pool, folder)).toEqual({ applied: ['0001-first', '0002-second'], version: 2 });
    expect(await migrate(database.pool, folder)).toEqual({ applied: [], version: 2 });
    await assertMigrated(database.pool, folder);
  });

  it('are applied once when two controllers start at the same time', async () => {
    const other = createPool(database.url);
    const reports = await Promise.all([migrate(database.pool, folder), migrate(other, folder)]);
    await other.end();
    expect(reports.map((report) => report.applied.length).toSorted()).toEqual([0, 1]);
  });

  it('leave nothing of a file that fails halfway, and say which file it was', async () => {
    write('0002-broken.sql', 'create table half (id int); select nonsense;');
    await expect(migrate(database.pool, folder)).rejects.toThrow(/0002-broken failed and was taken back/);
    const found = await database.pool.query(`select to_regclass('half') as half, to_regclass('first') as first`);
    expect(found.rows).toEqual([{ half: null, first: 'first' }]);
  });

  it('refuse a database that a newer version has migrated, and say so', async () => {
    write('0002-newer.sql', 'create table newer (id int);');
    await migrate(database.pool, folder);
    rmSync(join(folder, '0002-newer.sql'));
    await expect(migrate(database.pool, folder)).rejects.toThrow(/newer Headgate \(0002-newer is unknown here\)/);
    await expect(assertMigrated(database.pool, folder)).rejects.toThrow(SchemaMismatchError);
  });

  it('refuse a file that was changed after it was applied', async () => {
    await migrate(database.pool, folder);
    write('0001-first.sql', 'create table first (id bigint);');
    await expect(migrate(database.pool, folder)).rejects.toThrow(/0001-first differs/);
  });

  it('refuse a file that was slipped in before one that is applied', async () => {
    write('0003-third.sql', 'select 1;');
    await migrate(database.pool, folder);
    write('0002-late.sql', 'select 1;');
    await expect(migrate(database.pool, folder)).rejects.toThrow(/0002-late was never applied/);
  });

  it('that are not applied yet stop a process that does not migrate by itself', async () => {
    await expect(assertMigrated(database.pool, folder)).rejects.toThrow(/0001-first is not applied yet/);
  });
});
