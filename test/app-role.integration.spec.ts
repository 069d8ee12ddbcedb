import { randomUUID } from 'node:crypto';
import { createPool } from '#libs/postgres';
import { Retention } from '#libs/signals';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli } from '../apps/cli/src/program.js';
import { scriptedTerminal } from '../apps/cli/src/testing/scripted-terminal.js';
import { ask, issueToken } from './kit/http.js';
import { startInProcess } from './kit/in-process.js';
import { until } from './kit/until.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

const DAY_MS = 86_400_000;
const role = `headgate_app_${randomUUID().slice(0, 8)}`;
let database: TestDatabase;
let appUrl: string;

const migrate = async (...words: readonly string[]) => {
  const terminal = scriptedTerminal();
  const status = await runCli(['migrate', '--database', database.url, ...words], terminal);
  return { status, out: terminal.stdout(), err: terminal.stderr() };
};

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(`create role ${role} login password 'app'`);
  const url = new URL(database.url);
  url.username = role;
  url.password = 'app';
  appUrl = url.toString();
});
afterAll(async () => {
  await database.pool.query(`drop owned by ${role}`);
  await database.pool.query(`drop role ${role}`);
  await database.drop();
});

describe('rule 9: the role that runs controllers', () => {
  it('has to exist, and is no superuser', async () => {
    expect(await migrate('--role', 'nobody-here')).toMatchObject({
      status: 2,
      err: expect.stringContaining('There is no role nobody-here') as string,
    });
    const { username } = new URL(database.url);
    expect((await migrate('--role', username)).err).toMatch(/is a superuser/);
  });

  it('runs a controller that takes commands and seals', async () => {
    expect(await migrate('--role', role)).toMatchObject({ status: 0, out: 'up to date\n' });
    const controller = await startInProcess(appUrl);
    try {
      await issueToken(controller.admin, 'viewer');
      await until('it is sealed', async () => {
        const { size, position } = (await ask(controller.viewer, 'GET', '/v1/log/head')).json as Record<string, number>;
        return position !== undefined && size === position;
      });
      expect((await ask(controller.viewer, 'GET', '/readyz')).json).toEqual({ status: 'ready', reasons: [] });
      expect(controller.complaints).toEqual([]);
    } finally {
      await controller.stop();
    }
  });

  it('keeps the folded view, and makes another edition of the past', async () => {
    const controller = await startInProcess(appUrl, {
      instruments: { keepsView: { every: 1, restMs: 0 }, pastFold: 2 },
    });
    try {
      await controller.controller.core.past.remaker.done();
      await until('the view is kept, and all of the past is of the new edition', async () => {
        const { rows } = await database.pool.query<{ kept: boolean; editions: number[] }>(
          `select exists (select from read_models.view_snapshots) as kept,
             array(select distinct edition from read_models.mentions) as editions`,
        );
        return rows[0]?.kept === true && rows[0].editions.length === 1 && rows[0].editions[0] === 2;
      });
      expect(controller.complaints).toEqual([]);
    } finally {
      await controller.stop();
    }
  });

  it('is told which tables it may not use, as after a migration without it', async () => {
    await database.pool.query(`revoke all on read_models.view_snapshots, read_models.past_editions from ${role}`);
    await expect(startInProcess(appUrl)).rejects.toThrow(
      `${role} may not use read_models.past_editions, read_models.view_snapshots: let the owner of the schema run "headgate migrate --role ${role}".`,
    );
    expect(await migrate('--role', role)).toMatchObject({ status: 0 });
    await (await startInProcess(appUrl)).stop();
  });

  it('makes the tables of days to come and drops those that are too old', async () => {
    const pool = createPool(appUrl, { max: 1 });
    const days = async (): Promise<readonly string[]> => {
      const { rows } = await pool.query<{ name: string }>(
        `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'evidence.traffic'::regclass`,
      );
      return rows.map(({ name }) => name).toSorted();
    };
    const now = Date.now();
    const before = await days();
    const retention = new Retention(pool, 30);
    await retention.forget(now + 60 * DAY_MS);
    const after = await days();
    expect(after).toHaveLength(before.length);
    expect(after.filter((name) => before.includes(name))).toEqual(['evidence.traffic_rest']);
    await expect(pool.query(`select evidence.drop_day('looks', 0)`)).rejects.toThrow('is not kept by days');
    await pool.end();
  });

  it.each([
    'drop table evidence.looks',
    'update event_store.events set body = body',
    'delete from event_store.events',
    'truncate event_store.events',
    'alter table event_store.events disable trigger all',
    'drop trigger events_are_never_changed on event_store.events',
    'set session_replication_role = replica',
    'update event_store.tree_heads set root = root',
    'delete from event_store.seal_keys',
    'delete from event_store.tree_nodes',
    'update event_store.commands set outcome = outcome',
    'create table public.mine (n integer)',
  ])('may not %s', async (statement) => {
    const pool = createPool(appUrl, { max: 1 });
    await expect(pool.query(statement)).rejects.toThrow(/permission denied|must be owner/);
    await pool.end();
  });
});
