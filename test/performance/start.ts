import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { discard, temporaryFolder } from './data-folder.js';
import type { Bench, BenchContext, Figures } from './harness.js';
import { summarise } from './harness.js';

/** What a fresh checkout has and `npm ci` adds to: everything but the build and the data. */
const CHECKOUT = [
  'package.json',
  'package-lock.json',
  '.npmrc',
  'tsconfig.json',
  'tsconfig.build.json',
  'apps',
  'libs',
  'migrations',
  'test',
];
const GIVE_UP_MS = 120_000;
const POLL_MS = 10;

const checkOut = (): string => {
  const folder = temporaryFolder('start');
  for (const name of CHECKOUT) cpSync(join(process.cwd(), name), join(folder, name), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(folder, 'node_modules'));
  return folder;
};

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const isReady = (url: string): Promise<boolean> =>
  fetch(`${url}/readyz`).then(
    (answer) => answer.ok,
    () => false,
  );

const waitUntilReady = async (child: ChildProcess, url: string, said: () => string): Promise<void> => {
  const deadline = performance.now() + GIVE_UP_MS;
  while (!(await isReady(url))) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`npm start was not ready (status ${child.exitCode}). It said: ${said().slice(-2_000)}`);
    await sleep(POLL_MS);
  }
};

/** Ends the controller in order, so that the next start finds what an ordinary one finds. */
const stop = async (child: ChildProcess, dataDir: string): Promise<void> => {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const card = JSON.parse(readFileSync(join(dataDir, 'controller.json'), 'utf8')) as { readonly pid: number };
  process.kill(card.pid, 'SIGTERM');
  await ended;
};

/** Seconds from `npm start` to the first answer that says ready. */
const startOnce = async (folder: string, dataDir: string): Promise<number> => {
  const [port, syncPort] = [await freePort(), await freePort()];
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    HEADGATE_DATA_DIR: dataDir,
    HEADGATE_PORT: String(port),
    HEADGATE_SYNC_PORT: String(syncPort),
    HEADGATE_ADMIN_TOKEN_FILE: join(dataDir, 'admin.token'),
  };
  delete env['DATABASE_URL'];
  const from = performance.now();
  const child = spawn('npm', ['start'], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => said.push(chunk.toString()));
  await waitUntilReady(child, `http://127.0.0.1:${port}`, () => said.join(''));
  const seconds = (performance.now() - from) / 1_000;
  await stop(child, dataDir);
  return seconds;
};

const measure = async (context: BenchContext): Promise<Figures> => {
  const rounds = context.quick ? 2 : 5;
  const first: number[] = [];
  const again: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const folder = checkOut();
    const dataDir = join(folder, '.headgate');
    try {
      first.push(await startOnce(folder, dataDir));
      for (let n = 0; n < 2; n += 1) again.push(await startOnce(folder, dataDir));
    } finally {
      discard(folder, dataDir);
    }
  }
  const [initial, later] = [summarise(first), summarise(again)];
  context.say(`  first (builds, makes the database cluster, migrates): ${initial.median} s (spread ${initial.spread})`);
  context.say(`  again (finds all of that):                            ${later.median} s (spread ${later.spread})`);
  return { first: initial.median, again: later.median, seconds: { first: initial, again: later } };
};

export const start: Bench = {
  measures:
    'npm start in a fresh checkout with its packages installed, nothing built and no data, until /readyz answers 200, with the embedded database; and the starts after it',
  quick: '2 checkouts instead of 5',
  musts: [
    { key: 'first', atMost: 15 },
    { key: 'again', atMost: 6 },
  ],
  run: measure,
};
