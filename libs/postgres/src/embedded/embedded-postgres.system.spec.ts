import type { ChildProcess } from 'node:child_process';
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EmbeddedPostgres } from '../index.js';
import { startEmbeddedPostgres, withClient } from '../index.js';
import { isAlive } from './processes.js';

const BUILT = resolve(import.meta.dirname, '../../../../dist/libs/postgres/src/index.js');
const NOBODY = 65_534;

/** A controller reduced to its database: starts, reports its url, and on SIGINT still makes one query. */
const PROGRAM = `
const { startEmbeddedPostgres, withClient } = await import(process.env.BUILT);
const { DATA: dataDir, STATE: stateFolder } = process.env;
const server = await startEmbeddedPostgres({ dataDir, stateFolder, durable: true, onNotice: (m) => console.error(m) });
process.on('SIGINT', async () => {
  await new Promise((resolve) => setTimeout(resolve, 300));
  const result = await withClient(server.url, (client) => client.query('select 1 as one'));
  console.log(JSON.stringify({ afterInterrupt: result.rows[0].one }));
  await server.stop();
  process.exit(0);
});
console.log(JSON.stringify({ url: server.url, role: server.role() }));
setInterval(() => {}, 1000);
`;

type Controller = { child: ChildProcess; next: () => Promise<Record<string, unknown>>; notices: string[] };

const startController = (uid?: number): Controller => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
    env: { PATH: process.env['PATH'], BUILT, DATA: dataDir, STATE: stateFolder },
    detached: true,
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  const notices: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => notices.push(chunk.toString()));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`The process ended: ${notices.join('')}`);
    return JSON.parse(line.value) as Record<string, unknown>;
  };
  return { child, next, notices };
};

const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = Date.now() + 30_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`Never happened: ${what}`);
    await sleep(25);
  }
};

const answers = (url: string) =>
  withClient(url, (client) => client.query('select 1')).then(
    () => true,
    () => false,
  );

/** A data folder that a server has made and left: a copy of it is much cheaper than another one. */
let made: string;
let folder: string;
let dataDir: string;
let stateFolder: string;
const started: EmbeddedPostgres[] = [];
const controllers: Controller[] = [];

const start = async (options: { packageRoot?: string } = {}) => {
  const server = await startEmbeddedPostgres({ dataDir, stateFolder, durable: true, ...options });
  started.push(server);
  return server;
};
const spawnController = (uid?: number) => {
  const controller = startController(uid);
  controllers.push(controller);
  return controller;
};
const state = () =>
  JSON.parse(readFileSync(join(dataDir, 'server.json'), 'utf8')) as { postmaster: number; guard: number; port: number };

const copyMade = (): void => {
  chmodSync(folder, 0o711);
  execFileSync('cp', ['-a', join(made, 'data'), dataDir]);
};

beforeAll(async () => {
  made = mkdtempSync(join(tmpdir(), 'embedded-made-'));
  chmodSync(made, 0o711);
  const server = await startEmbeddedPostgres({ dataDir: join(made, 'data'), durable: true });
  await server.stop();
});

afterAll(() => {
  rmSync(made, { recursive: true, force: true });
});

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-postgres-'));
  dataDir = join(folder, 'data');
  stateFolder = mkdtempSync(join(tmpdir(), 'embedded-state-'));
  chmodSync(stateFolder, 0o711);
});

afterEach(async () => {
  for (const { child } of controllers.splice(0)) child.kill('SIGKILL');
  const postmaster = existsSync(join(dataDir, 'server.json')) ? state().postmaster : undefined;
  for (const server of started.splice(0)) await server.stop();
  if (postmaster !== undefined) await until('the server ends', () => !isAlive(postmaster));
  for (const place of [folder, stateFolder]) rmSync(place, { recursive: true, force: true });
});

describe('the embedded PostgreSQL', () => {
  it('starts in a folder that nobody else can enter, keeps its data, and keeps its password to its user', async () => {
    const first = await start();
    await withClient(first.url, (client) => client.query('create table kept as select 42 as answer'));
    expect(statSync(join(dataDir, 'password')).mode & 0o777).toBe(0o600);
    await first.stop();
    expect(await answers(first.url)).toBe(false);

    const second = await start();
    const found = await withClient(second.url, (client) => client.query('select answer from kept'));
    expect(found.rows).toEqual([{ answer: 42 }]);
    expect(second.role()).toBe('owner');
  });

  it('refuses whoever does not know the password', async () => {
    copyMade();
    const server = await start();
    const wrong = new URL(server.url);
    wrong.password = 'guess';
    await expect(withClient(wrong.toString(), (client) => client.query('select 1'))).rejects.toThrow(/authentication/);
  });

  it('runs from a package that its user cannot reach and whose links were never made', async () => {
    const name = `@embedded-postgres/${process.platform}-${process.arch}`;
    const installed = dirname(dirname(createRequire(import.meta.url).resolve(name)));
    const packageRoot = join(folder, 'package');
    cpSync(installed, packageRoot, { recursive: true, verbatimSymlinks: true });
    const links = JSON.parse(readFileSync(join(packageRoot, 'native/pg-symlinks.json'), 'utf8')) as {
      target: string;
    }[];
    for (const { target } of links) unlinkSync(join(packageRoot, target));
    const server = await start({ packageRoot });
    expect(await answers(server.url)).toBe(true);
    expect(links.every(({ target }) => existsSync(join(packageRoot, target)))).toBe(true);
  });

  it('works for an ordinary user', async () => {
    const uid = process.getuid?.() === 0 ? NOBODY : undefined;
    if (uid !== undefined) chownSync(folder, uid, uid);
    const controller = spawnController(uid);
    expect(await controller.next()).toMatchObject({ role: 'owner' });
  });

  it('ends with its controller, even when that is killed', async () => {
    copyMade();
    const controller = spawnController();
    await controller.next();
    const { postmaster } = state();
    controller.child.kill('SIGKILL');
    await until('the server ends', () => !isAlive(postmaster));
  });

  it('is joined by a second controller, which starts it again on the same port when the first is killed', async () => {
    copyMade();
    const first = spawnController();
    const { url } = await first.next();
    await withClient(String(url), (client) => client.query('create table kept as select 42 as answer'));
    const second = await start();
    expect([second.url, second.role()]).toEqual([url, 'joined']);

    first.child.kill('SIGKILL');
    await until('the second one owns it', () => second.role() === 'owner');
    const found = await withClient(second.url, (client) => client.query('select answer from kept'));
    expect(found.rows).toEqual([{ answer: 42 }]);
  });

  it('is started again on the same port by the second controller when the first stops in order', async () => {
    copyMade();
    const first = spawnController();
    const { url } = await first.next();
    const second = await start();
    expect(second.role()).toBe('joined');

    first.child.kill('SIGINT');
    await until('the second one owns it', () => second.role() === 'owner');
    await until('it answers where it did', () => answers(String(url)));
    expect(state().port).toBe(Number(new URL(second.url).port));
    expect(await start().then(({ url: third, role }) => [third, role()])).toEqual([second.url, 'joined']);
  });

  it.runIf(process.getuid?.() === 0)(
    'says where the data lies when its user cannot enter the data folder, and only then',
    async () => {
      const notices: string[] = [];
      const startIn = async (root: string) => {
        const server = await startEmbeddedPostgres({
          dataDir: root,
          stateFolder,
          durable: true,
          onNotice: (notice) => notices.push(notice),
        });
        started.push(server);
      };
      chmodSync(folder, 0o711);
      await startIn(dataDir);
      expect(notices).toEqual([]);
      expect(lstatSync(join(dataDir, 'cluster')).isDirectory()).toBe(true);

      const closed = mkdtempSync(join(folder, 'closed-'));
      await startIn(closed);
      expect(notices.join()).toContain(realpathSync(join(closed, 'cluster')));
      expect(realpathSync(join(closed, 'cluster'))).toContain(stateFolder);
    },
  );

  it('comes back by itself with every committed row when the server is killed', async () => {
    copyMade();
    const server = await start();
    await withClient(server.url, (client) => client.query('create table kept as select 42 as answer'));
    const before = state().postmaster;
    process.kill(before, 'SIGKILL');
    await until('it answers again', async () => state().postmaster !== before && (await answers(server.url)));
    const found = await withClient(server.url, (client) => client.query('select answer from kept'));
    expect(found.rows).toEqual([{ answer: 42 }]);
  });

  it('is adopted by the next controller when the first one and its guard were killed', async () => {
    copyMade();
    const controller = spawnController();
    const { url } = await controller.next();
    const before = state();
    process.kill(-before.guard, 'SIGSTOP');
    process.kill(before.postmaster, 'SIGCONT');
    controller.child.kill('SIGKILL');
    for (const pid of guardsOf(before.guard, before.postmaster)) process.kill(pid, 'SIGKILL');
    await until('the guard is gone', () => !isAlive(before.guard));

    const next = await start();
    expect([next.url, next.role(), state().postmaster]).toEqual([url, 'owner', before.postmaster]);
    await next.stop();
    expect(isAlive(before.postmaster)).toBe(false);
  });

  it('stays up on Ctrl-C until the controller has finished with it', async () => {
    copyMade();
    const controller = spawnController();
    await controller.next();
    process.kill(-(controller.child.pid ?? 0), 'SIGINT');
    expect(await controller.next()).toEqual({ afterInterrupt: 1 });
  });

  it('is started once by two controllers that come at the same moment', async () => {
    const both = [spawnController(), spawnController()];
    const reports = await Promise.all(both.map((controller) => controller.next()));
    expect(reports.map((report) => report['role']).toSorted()).toEqual(['joined', 'owner']);
    expect(reports[0]?.['url']).toBe(reports[1]?.['url']);
  });

  it('ignores a lock file of the server whose number belongs to another process by now', async () => {
    copyMade();
    const first = await start();
    const lock = readFileSync(join(dataDir, 'cluster', 'postmaster.pid'), 'utf8');
    await first.stop();
    const foreign = lock.replace(/^\d+/, String(process.pid));
    writeFileSync(join(dataDir, 'cluster', 'postmaster.pid'), foreign);
    expect((await start()).role()).toBe('owner');
  });
});

/** The shell that guards the server, and its watching half. */
const guardsOf = (guard: number, postmaster: number): number[] => {
  const processes = execFileSync('ps', ['-axo', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const children = processes
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === guard);
  return [guard, ...children.flatMap(([pid]) => (pid === undefined || pid === postmaster ? [] : [pid]))];
};
