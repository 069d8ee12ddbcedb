import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fencesOf } from '#test/docs/markdown';
import { entryOf } from '#test/kit/entry';
import { ask } from '#test/kit/http';
import { until } from '#test/kit/until';

const ROOT = resolve(import.meta.dirname, '../../..');
const MAIN = join(ROOT, 'dist/apps/controller/src/main.js');
/** The same in few files: starts that fail are many, and how the modules are found is seen by those that do not. */
const BUNDLED = entryOf('apps/controller/src/main.js', ROOT);

type Env = Readonly<Record<string, string>>;
type Started = {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly exited: Promise<number | null>;
};
type Card = { readonly url: string; readonly pid: number };

let folder: string;
let dataDir: string;
const running = new Set<Started>();
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-start-'));
  dataDir = join(folder, 'data');
});

afterEach(async () => {
  for (const { child } of running) child.kill('SIGKILL');
  await Promise.all([...running].map(({ exited }) => exited));
  for (const server of servers.splice(0)) server.close();
  const postmaster = join(dataDir, 'postgres/cluster/postmaster.pid');
  await until('the database has ended', () => (existsSync(postmaster) ? undefined : true));
  rmSync(folder, { recursive: true, force: true });
});

/** A controller as users start it: with its own database, unless `env` says otherwise. */
const run = (env: Env = {}, umask = 0o022, main = MAIN): Started => {
  const command = `umask ${umask.toString(8)}; exec "$0" --enable-source-maps "$1"`;
  const child = spawn('/bin/sh', ['-c', command, process.execPath, main], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      HEADGATE_DATA_DIR: dataDir,
      HEADGATE_PORT: '0',
      HEADGATE_SYNC_PORT: '0',
      ...env,
    },
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exited = new Promise<number | null>((done) => child.once('close', (code) => done(code)));
  const started = { child, said: () => said, exited };
  running.add(started);
  void exited.then(() => running.delete(started));
  return started;
};

const card = (): Card | undefined => {
  const file = join(dataDir, 'controller.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Card) : undefined;
};
/** On a machine that has much else to do. */
const STARTING = { timeoutMs: 60_000 };

const ready = async (started: Started): Promise<string> => {
  const named = await until(
    'the controller is ready',
    () => {
      if (started.child.exitCode !== null) throw new Error(`It ended: ${started.said()}`);
      const found = card();
      return found?.pid === started.child.pid ? found : undefined;
    },
    STARTING,
  );
  return named.url;
};
const isReady = (url: string) =>
  ask({ url }, 'GET', '/readyz').then(
    ({ status }) => (status === 200 ? true : undefined),
    () => undefined,
  );

/** What a start says that fails for a reason which the person can remove. */
const failure = async (env: Env): Promise<string> => {
  const started = run(env, undefined, BUNDLED);
  expect(await started.exited, started.said()).toBe(1);
  expect(started.said()).toMatch(/^Headgate cannot start\. /m);
  expect(started.said()).not.toMatch(/\n\s+at /);
  expect(started.said()).not.toMatch(/"level":"error"/);
  expect(started.said()).not.toContain('hg_admin_');
  return started.said();
};

const takenPort = async (): Promise<number> => {
  const server = createServer();
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
};

describe('Two controllers on one data folder', () => {
  it.each(['SIGINT', 'SIGKILL'] as const)(
    'go on as one after %s to the one that owns the database: it is ready again within seconds and found again',
    async (signal) => {
      const first = run();
      await ready(first);
      const second = run();
      const url = await ready(second);
      // As if the one that goes had been named last.
      writeFileSync(join(dataDir, 'controller.json'), JSON.stringify({ url, syncPort: 1, pid: first.child.pid }));
      const port = () =>
        (JSON.parse(readFileSync(join(dataDir, 'postgres/server.json'), 'utf8')) as { port: number }).port;
      const before = port();
      first.child.kill(signal);
      await first.exited;
      await until('the database is back', () => (second.said().includes('started again by this') ? true : undefined));
      await until('it is ready again', () => isReady(url));
      expect(port()).toBe(before);
      await until('it is found again', () => (card()?.pid === second.child.pid ? true : undefined));
      expect(card()?.url).toBe(url);
    },
  );

  it('leave each other in controller.json: who stops takes back only what names itself', async () => {
    const first = run();
    await ready(first);
    const second = run();
    await ready(second);
    first.child.kill('SIGTERM');
    expect(await first.exited).toBe(0);
    expect(card()?.pid).toBe(second.child.pid);
    second.child.kill('SIGTERM');
    expect(await second.exited).toBe(0);
    expect(card()).toBeUndefined();
  });
});

describe('The data folder', () => {
  it('lets an operator look into its database with the commands of the document', async () => {
    run();
    await until('the controller is ready', () => card());
    mkdirSync(join(folder, 'bin'));
    const psql = '#!/bin/sh\nprintf "%s\\n" "$PGPASSWORD" "$@"\n';
    writeFileSync(join(folder, 'bin/psql'), psql, { mode: 0o755 });
    const [block] = fencesOf('docs/how-to/run-a-controller.md').filter(({ text }) => text.includes('psql --host'));
    const commands = (block?.text ?? '').replaceAll('.headgate/', `${dataDir}/`);
    const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH']}` };
    const said = execFileSync('/bin/sh', ['-c', commands], { env, encoding: 'utf8' }).trim().split('\n');
    const [password, ...words] = said;
    const [host, port, user] = words.map((word) => word.split('=')[1]);
    const client = new Client({ host, port: Number(port), user, password, database: words.at(-1) });
    await client.connect();
    const { rows } = await client.query<{ events: string }>('select count(*) as events from event_store.events');
    await client.end();
    expect(Number(rows[0]?.events)).toBeGreaterThan(0);
  });

  it('holds the data itself, also where the umask is strict, and its secrets are for its user only', async () => {
    const above = process.getuid?.() === 0 ? 0o711 : 0o700;
    chmodSync(folder, above);
    const started = run({ HEADGATE_ADMIN_TOKEN_FILE: join(dataDir, 'admin-token') }, 0o077);
    await ready(started);
    expect(lstatSync(join(dataDir, 'postgres/cluster')).isDirectory()).toBe(true);
    expect(statSync(dataDir).mode & 0o777).toBe(above);
    for (const file of ['admin-token', 'controller.json', 'postgres/password', 'postgres/server.json'])
      expect(statSync(join(dataDir, file)).mode & 0o777, file).toBe(0o600);
    expect(started.said()).not.toContain('lies in');
  });
});

describe('A start that cannot succeed says what to change, and nothing else', () => {
  it('when a port is taken', async () => {
    const port = String(await takenPort());
    expect(await failure({ HEADGATE_PORT: port })).toMatch(new RegExp(`${port}.*HEADGATE_PORT`));
    expect(await failure({ HEADGATE_SYNC_PORT: port })).toMatch(new RegExp(`${port}.*HEADGATE_SYNC_PORT`));
  });

  it('when both ports are the same, which shows only after the database runs', async () => {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const address = server.address();
    const port = String(typeof address === 'object' && address !== null ? address.port : 0);
    await new Promise((closed) => server.close(closed));
    expect(await failure({ HEADGATE_PORT: port, HEADGATE_SYNC_PORT: port })).toMatch(/HEADGATE_PORT/);
    const next = run();
    await ready(next);
    expect(next.said(), 'the next start hands the first token over').toContain('hg_admin_');
  });

  it.each(['192.0.2.1', 'nowhere.invalid'])('when %s is not an address of this machine', async (host) => {
    const said = await failure({ HEADGATE_HOST: host });
    expect(said).toMatch(new RegExp(`${host}.*HEADGATE_HOST`));
    expect(said).not.toMatch(/PORT/);
  });

  it('when the data folder is a file, or lies in one', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const place of [file, join(file, 'inside')])
      expect(await failure({ HEADGATE_DATA_DIR: place })).toMatch(new RegExp(`${place}.*HEADGATE_DATA_DIR`));
  });

  it.runIf(existsSync('/proc/self'))('when the file system does not take the data folder', async () => {
    expect(await failure({ HEADGATE_DATA_DIR: '/proc/headgate/data' })).toMatch(/\/proc\/headgate.*HEADGATE_DATA_DIR/);
  });

  it.each(['127.0.0.1:1', 'nowhere.invalid:5432'])('when there is no database at %s', async (place) => {
    mkdirSync(dataDir);
    const said = await failure({ DATABASE_URL: `postgres://x:secret@${place}/y` });
    expect(said).toMatch(/DATABASE_URL/);
    expect(said).not.toContain('secret');
  });

  it('when HEADGATE_PORT is not a number', async () => {
    expect(await failure({ HEADGATE_PORT: 'abc' })).toMatch(/HEADGATE_PORT: must be a whole number from 0 to 65535\n/);
  });
});
