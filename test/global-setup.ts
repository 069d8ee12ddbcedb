import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createDatabase,
  createPool,
  databaseUrl,
  dropDatabase,
  migrate,
  startEmbeddedPostgres,
} from '../libs/postgres/src/index.js';
import type { TestProject } from 'vitest/node';
import { bundleControllers } from './kit/bundle.js';
import { BUNDLE } from './kit/entry.js';
import { isAlive } from './kit/is-alive.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of this test run; its database is the migrated template, to which nobody may connect. */
    readonly postgres: { readonly serverUrl: string; readonly template: string };
  }
}

const PREFIX = 'headgate-test-';

/** A run that was killed cannot clean up; the next one does. */
const sweep = async (): Promise<void> => {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(PREFIX) || isAlive(Number(name.slice(PREFIX.length)))) continue;
    const left = await startEmbeddedPostgres({ dataDir: join(tmpdir(), name), durable: false });
    await left.stop({ remove: true });
  }
};

const startServer = async (): Promise<{ url: string; stop: () => Promise<void> }> => {
  const given = process.env['TEST_DATABASE_URL'];
  if (given !== undefined && given !== '') {
    const name = new URL(given).pathname.slice(1);
    if (!name.includes('test'))
      throw new Error(`TEST_DATABASE_URL names the database "${name}": its name has to contain "test".`);
    return { url: given, stop: () => Promise.resolve() };
  }
  await sweep();
  const dataDir = join(tmpdir(), `${PREFIX}${process.pid}`);
  mkdirSync(dataDir, { recursive: true, mode: 0o711 });
  const server = await startEmbeddedPostgres({ dataDir, durable: false, database: 'headgate_test' });
  return { url: server.url, stop: () => server.stop({ remove: true }) };
};

/** Starts the one server of this run with a migrated template database; returns the tear-down. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const [server, bundle] = await Promise.all([startServer(), bundleControllers()]);
  if (bundle !== undefined) process.env[BUNDLE] = bundle;
  const template = `headgate_test_template_${process.pid}`;
  await dropDatabase(server.url, template);
  await createDatabase(server.url, template);
  const pool = createPool(databaseUrl(server.url, template), { max: 1 });
  await migrate(pool);
  await pool.end();
  project.provide('postgres', { serverUrl: server.url, template });
  return async () => {
    await dropDatabase(server.url, template);
    await server.stop();
    if (bundle !== undefined) rmSync(bundle, { recursive: true, force: true });
  };
};
