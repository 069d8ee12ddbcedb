import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ask } from '#test/kit/http';
import { faultsOfLog, headOf, readLog } from '#test/kit/log';
import { until } from '#test/kit/until';
import { createTestDatabase, type TestDatabase } from '#test/test-database';
import { CHANGES, setScene } from './script.js';
import { Supervised } from './supervised.js';

/** A transaction ends after 4 s of silence, a process is taken for dead after 8 s, and another one seals after 15 s. */
const OVER_IN = { timeoutMs: 30_000 };

/** Whether somebody holds rows and says nothing. */
const isHeld = async ({ pool }: TestDatabase): Promise<boolean> => {
  const { rows } = await pool.query(
    `select from pg_stat_activity
     where datname = current_database() and state = 'idle in transaction' and state_change < now() - interval '500 ms'`,
  );
  return rows.length > 0;
};

const typesOf = async ({ pool }: TestDatabase, rollout: string): Promise<readonly string[]> =>
  (await readLog(pool)).filter(({ streamId }) => streamId === `rollout-${rollout}`).map(({ type }) => type);

const sealedTo = async ({ pool }: TestDatabase): Promise<number> => {
  const { rows } = await pool.query<{ size: number }>('select max(size) as size from event_store.tree_heads');
  return rows[0]?.size ?? 0;
};

it('a controller that is frozen in the middle of a transaction gives way: others lead its rollouts, take back, tell the past and seal, and it goes on later', async () => {
  const database = await createTestDatabase();
  const env = { CHAOS_FREEZE_AT: 'react:inside(conduct' };
  const frozen = new Supervised({ databaseUrl: database.url, env }).start();
  // Both may seal: they have one key.
  const ofSealer = { HEADGATE_SEAL_KEY_FILE: join(frozen.dataDir, 'seal-key') };
  const healthy = new Supervised({ databaseUrl: database.url, env: ofSealer });
  const scene = await setScene(frozen, database.pool);
  try {
    await scene.apply('changes', CHANGES);
    const started = scene.start('sampler', 'takes-its-time');
    await until('it holds what it was about to change, and is silent', () => isHeld(database), OVER_IN);
    healthy.start();
    await until('another one is up', () => healthy.card, OVER_IN);
    const door = healthy.door(frozen.adminToken());
    const listed = await ask(door, 'GET', '/v1/rollouts');
    const id = (listed.json as { items: { id: string }[] }).items[0]?.id ?? '';
    const aborted = await ask(door, 'POST', `/v1/rollouts/${id}/abort`, { body: { reason: 'to be seen at work' } });
    expect(aborted.status).toBe(200);
    await until(
      'every target is read back',
      async () => (await typesOf(database, id)).includes('TargetReadBack'),
      OVER_IN,
    );
    expect((await ask(door, 'GET', '/v1/at')).status).toBe(200);
    await until(
      'all of it is sealed',
      async () => (await sealedTo(database)) === (await headOf(database.pool)),
      OVER_IN,
    );
    frozen.goOn();
    expect(await started).toBe(id);
    await scene.nothingLeft();
    expect(await faultsOfLog(database.pool)).toEqual([]);
  } finally {
    await scene.fleet.stop();
    await Promise.all([healthy, frozen].map((controller) => controller.stop()));
    await database.drop();
  }
}, 90_000);
