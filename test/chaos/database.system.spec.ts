import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPool } from '#libs/postgres';
import { ask, problemIn } from '#test/kit/http';
import { faultsOfLog, readLog } from '#test/kit/log';
import { config } from '#test/kit/manifests';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import type { Pool } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEvidenceOf, violationsOf } from './history-checker.js';
import { CHANGES, setScene, type Scene } from './script.js';
import { Supervised } from './supervised.js';
import { TcpProxy } from './tcp-proxy.js';

type Ready = { readonly status: string; readonly reasons: readonly string[] };

const PATIENCE = { timeoutMs: 40_000, everyMs: 50 };
/** Ticks of a processor in a second, as Linux counts them for processes. */
const TICKS = 100;

const cpuSeconds = (pid: number): number => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
};

let controller: Supervised;
let scene: Scene;

const readiness = async (): Promise<Ready> => (await ask(controller.door(undefined), 'GET', '/readyz')).json as Ready;
const isReady = async (): Promise<boolean> => (await readiness()).status === 'ready';
const notReadyBecause = (why: RegExp): Promise<unknown> =>
  until(
    `it is not ready because ${String(why)}`,
    async () => why.test((await readiness()).reasons.join(' ')),
    PATIENCE,
  );
const linesSince = (length: number): readonly string[] => controller.log.slice(length).trim().split('\n');

const everythingIsRight = async (pool: Pool, rollout: string): Promise<void> => {
  await scene.ends(rollout);
  await scene.nothingLeft();
  await scene.fleet.stop();
  const { tasks, counted } = await readEvidenceOf(pool);
  const history = { events: await readLog(pool), tasks, sightings: scene.sightings.all, accepted: [rollout] };
  expect(await faultsOfLog(pool)).toEqual([]);
  expect(violationsOf({ ...history, outcomes: { told: scene.fleet.counted, counted } })).toEqual([]);
};

/** What a person is told who wants something while the database is away; the command is not known to have failed. */
const commandIsPutOff = async (): Promise<void> => {
  const answer = await ask(scene.admin(), 'POST', '/v1/manifests', {
    body: { manifests: [config('router.context', { window: 7 })], reason: 'in the outage' },
    headers: { 'idempotency-key': 'in-the-outage' },
  });
  expect(problemIn(answer)).toMatchObject({ status: 503, code: 'database-unavailable' });
  expect(answer.headers.get('retry-after')).toBe('2');
};

const commandIsTaken = async (): Promise<void> => {
  await scene.apply('in-the-outage', [config('router.context', { window: 7 })]);
};

describe('A database of one’s own', () => {
  let database: TestDatabase;
  let way: TcpProxy;

  beforeEach(async () => {
    database = await createTestDatabase();
    const { hostname, port } = new URL(database.url);
    way = await TcpProxy.open(() => ({ host: hostname, port: Number(port) }));
    const url = new URL(database.url);
    url.host = `127.0.0.1:${way.port}`;
    controller = new Supervised({ databaseUrl: url.toString() }).start();
    scene = await setScene(controller, database.pool);
    await scene.apply('changes', CHANGES);
  }, 60_000);

  afterEach(async () => {
    await scene.fleet.stop();
    await controller.stop();
    await way.close();
    await database.drop();
  });

  it('that is gone: said once, commands put off, fleets served from memory, hardly any work meanwhile; then all goes on', async () => {
    const rollout = await scene.start('sampler', 'takes-its-time');
    const before = controller.log.length;
    way.vanish();
    await notReadyBecause(/database does not answer/);
    await commandIsPutOff();
    const pid = controller.card?.pid ?? 0;
    const cpu = cpuSeconds(pid);
    await sleep(3_000);
    const used = (cpuSeconds(pid) - cpu) / 3;
    process.stdout.write(`CPU while the database is gone: ${(used * 100).toFixed(1)}% of a core\n`);
    expect(used).toBeLessThan(0.25);
    expect(linesSince(before).filter((line) => line.includes('database does not answer'))).toHaveLength(1);
    expect(linesSince(before).length).toBeLessThan(20);
    expect(scene.fleet.rulesets.size).toBe(2);
    way.comeBack();
    await until('it is ready again', isReady, PATIENCE);
    expect(controller.log.slice(before)).toContain('The database works again.');
    await commandIsTaken();
    await everythingIsRight(database.pool, rollout);
    expect(controller.deaths).toBe(0);
  }, 60_000);

  it('that is silent is found out, not waited for', async () => {
    const rollout = await scene.start('sampler', 'takes-its-time');
    way.fallSilent();
    const putOff = commandIsPutOff();
    await notReadyBecause(/database does not answer/);
    await putOff;
    way.comeBack();
    await until('it is ready again', isReady, PATIENCE);
    await commandIsTaken();
    await everythingIsRight(database.pool, rollout);
  }, 90_000);

  it('that is slow delays a rollout and breaks nothing', async () => {
    way.delayMs = 25;
    const rollout = await scene.start('sampler', 'takes-its-time');
    expect(await readiness()).toEqual({ status: 'ready', reasons: [] });
    await commandIsTaken();
    await everythingIsRight(database.pool, rollout);
  }, 90_000);

  it('that became read-only is told from one that is away, and works again without a restart', async () => {
    const rollout = await scene.start('sampler', 'takes-its-time');
    const setReadOnly = async (on: boolean) => {
      await database.pool.query('set default_transaction_read_only = off');
      await database.pool.query(
        `alter database ${database.name} set default_transaction_read_only = ${on ? 'on' : 'off'}`,
      );
    };
    await setReadOnly(true);
    way.cut();
    await notReadyBecause(/takes no writes/);
    await commandIsPutOff();
    await setReadOnly(false);
    await until('it is ready again', isReady, PATIENCE);
    await commandIsTaken();
    await everythingIsRight(database.pool, rollout);
  }, 60_000);

  it('that is full says so, keeps what it has, and goes on when there is room again', async () => {
    const rollout = await scene.start('sampler', 'takes-its-time');
    await database.pool.query(`
      create function no_room() returns trigger language plpgsql as $$
      begin raise exception 'could not extend file: No space left on device' using errcode = '53100'; end $$`);
    const tables = ['event_store.events', 'process.checkpoints'];
    for (const table of tables)
      await database.pool.query(
        `create trigger no_room before insert or update on ${table} for each statement execute function no_room()`,
      );
    await commandIsPutOff();
    await notReadyBecause(/no room left/);
    for (const table of tables) await database.pool.query(`drop trigger no_room on ${table}`);
    await until('it is ready again', isReady, PATIENCE);
    await commandIsTaken();
    await everythingIsRight(database.pool, rollout);
  }, 60_000);
});

it('The embedded database, killed with -9 in the middle of a rollout, is brought back by its controller, and the rollout settles', async () => {
  controller = new Supervised({ databaseUrl: undefined }).start();
  let pool: Pool | undefined;
  try {
    const folder = join(controller.dataDir, 'postgres');
    const state = () => JSON.parse(readFileSync(join(folder, 'server.json'), 'utf8')) as Record<string, number>;
    await until('the controller is up', () => controller.card, PATIENCE);
    const password = readFileSync(join(folder, 'password'), 'utf8').trim();
    pool = createPool(`postgres://headgate:${password}@127.0.0.1:${state()['port']}/headgate`, { max: 2 });
    scene = await setScene(controller, pool);
    await scene.apply('changes', CHANGES);
    const rollout = await scene.start('sampler', 'takes-its-time');
    const first = state()['postmaster'] ?? 0;
    process.kill(first, 'SIGKILL');
    await until('there is another server', () => state()['postmaster'] !== first, PATIENCE);
    await until('it is ready again', isReady, PATIENCE);
    const again = pool;
    await until('it answers', async () => (await again.query('select 1')).rowCount === 1, PATIENCE);
    await everythingIsRight(pool, rollout);
    expect(controller.deaths).toBe(0);
  } finally {
    await scene.fleet.stop();
    await pool?.end();
    await controller.stop();
  }
}, 90_000);
