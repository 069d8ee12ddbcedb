import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPool, embeddedUrl } from '#libs/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from '../../apps/controller/src/config.js';
import { startController, type RunningController } from '../../apps/controller/src/controller.js';
import { issueToken } from '#test/kit/http';

let folder: string;
const running: RunningController[] = [];
const said: string[] = [];

const start = async (): Promise<RunningController> => {
  const config = loadConfig({
    HEADGATE_DATA_DIR: folder,
    HEADGATE_ADMIN_TOKEN_FILE: join(folder, 'admin'),
    HEADGATE_PORT: '0',
    HEADGATE_SYNC_PORT: '0',
  });
  const say = (message: string): void => void said.push(message);
  const controller = await startController(config, { info: say, error: say });
  running.push(controller);
  return controller;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-embedded-role-'));
  await start();
}, 60_000);

afterAll(async () => {
  for (const controller of running.toReversed()) await controller.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe('rule 9: a controller with its embedded database', () => {
  it('brings it up to date as its owner, and then runs by a role that takes commands', async () => {
    const [controller] = running;
    const { rows } = (await controller?.core.pool.query<{ role: string }>('select current_user as role')) ?? {
      rows: [],
    };
    expect(rows).toEqual([{ role: 'headgate_app' }]);
    expect(said).toContain('The schema of the database was brought up to date.');
    expect(said.filter((line) => line.includes('could alter the log'))).toEqual([]);
    const admin = { url: controller?.url ?? '', token: readFileSync(join(folder, 'admin'), 'utf8').trim() };
    expect(await issueToken(admin, 'viewer')).toMatch(/^hg_/);
  });

  it('shares it with a second controller on the same data folder', async () => {
    const second = await start();
    const { rows } = await second.core.pool.query<{ role: string }>('select current_user as role');
    expect(rows).toEqual([{ role: 'headgate_app' }]);
  });

  it.each([
    'update event_store.events set body = body',
    'delete from event_store.events',
    'set role headgate',
    'alter role headgate_app superuser',
  ])('may not %s', async (statement) => {
    await expect(running[0]?.core.pool.query(statement)).rejects.toThrow(/permission denied/);
  });

  it('leaves the owner to whoever can read the data folder, for verify and for migrations', async () => {
    const pool = createPool(embeddedUrl(join(folder, 'postgres')) ?? '', { max: 1 });
    const { rows } = await pool.query<{ role: string }>('select current_user as role');
    await pool.end();
    expect(rows).toEqual([{ role: 'headgate' }]);
  });
});
