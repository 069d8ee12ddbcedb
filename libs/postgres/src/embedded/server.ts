import type { ChildProcess } from 'node:child_process';
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Account } from './account.js';
import { asAccount } from './account.js';
import type { Binaries } from './binaries.js';
import type { DataFolder } from './cluster.js';
import { OWNER } from './cluster.js';
import { errorCode } from './errors.js';
import { isAlive, mayBePostgres } from './processes.js';

const START_MS = 60_000;
const STOP_MS = 30_000;
const LOG_LIMIT = 10_000_000;

/**
 * The server runs under a small shell that reads its standard input, a pipe from this process. When this process ends,
 * however it ends, the pipe closes and the shell asks the server for a fast shutdown.
 */
const GUARD = `
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
( while read -r _ <&3; do :; done; kill -INT "$server" ) &
watcher=$!
wait "$server"
code=$?
kill "$watcher" 2>/dev/null
exit "$code"
`;

/** The same guard for a server that is running already. */
const ADOPT = 'while read -r _; do :; done; kill -INT "$1" 2>/dev/null';

/** Whoever holds this keeps the server running: closing the pipe shuts it down. */
export type Guard = { readonly child: ChildProcess; readonly postmaster: number };

const guardWith = (args: readonly string[], account: Account | undefined, log: number): ChildProcess => {
  const child = spawn(args[0] ?? '', args.slice(1), {
    ...asAccount(account),
    // A process group of its own: Ctrl-C in the terminal must reach us, and not the server before us.
    detached: true,
    stdio: ['pipe', log, log],
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' },
  });
  child.unref();
  if (child.stdin !== null && 'unref' in child.stdin && typeof child.stdin.unref === 'function') child.stdin.unref();
  // The pipe breaks when the server ends first; the exit is noticed elsewhere.
  child.stdin?.on('error', () => undefined);
  return child;
};

const openLog = (folder: DataFolder): number => {
  const size = statSync(folder.log, { throwIfNoEntry: false })?.size ?? 0;
  return openSync(folder.log, size > LOG_LIMIT ? 'w' : 'a', 0o600);
};

const logTail = (folder: DataFolder): string =>
  existsSync(folder.log) ? readFileSync(folder.log, 'utf8').trim().split('\n').slice(-12).join('\n') : '';

/** The process number in the cluster's own lock file. */
export const postmasterPid = (folder: DataFolder): number | undefined => {
  const file = join(folder.cluster, 'postmaster.pid');
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
};

/** After a crash in a container the number in the lock file often belongs to something else, and PostgreSQL refuses. */
const clearForeignLock = (folder: DataFolder): void => {
  const pid = postmasterPid(folder);
  if (pid !== undefined && !mayBePostgres(pid)) rmSync(join(folder.cluster, 'postmaster.pid'), { force: true });
};

const settings = (port: number, durable: boolean, extra: Readonly<Record<string, string>>): string[] => {
  const all: Record<string, string> = {
    port: String(port),
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    wal_level: 'minimal',
    max_wal_senders: '0',
    jit: 'off',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', autovacuum: 'off' }),
    ...extra,
  };
  return Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
};

/** Answers whether the server takes our password on this port; the error code when it does not. */
export const tryConnect = async (
  port: number,
  password: string,
): Promise<{ ok: true } | { ok: false; error: unknown }> => {
  const client = new Client({
    host: '127.0.0.1',
    port,
    user: OWNER,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.end();
    return { ok: true };
  } catch (error) {
    await client.end().catch(() => undefined);
    return { ok: false, error };
  }
};

export type LaunchOptions = {
  readonly binaries: Binaries;
  readonly account: Account | undefined;
  readonly port: number;
  readonly password: string;
  readonly durable: boolean;
  readonly settings: Readonly<Record<string, string>>;
};

/** Starts the server and waits until it takes connections. */
export const launch = async (folder: DataFolder, options: LaunchOptions): Promise<Guard> => {
  clearForeignLock(folder);
  const command = [
    options.binaries.postgres,
    '-D',
    realpathSync(folder.cluster),
    ...settings(options.port, options.durable, options.settings),
  ];
  const log = openLog(folder);
  const guarded = process.platform === 'win32' ? command : ['/bin/sh', '-c', GUARD, 'headgate-postgres', ...command];
  const child = guardWith(guarded, options.account, log);
  closeSync(log);
  let failure: Error | undefined;
  child.once('error', (cause) => (failure = cause));
  const deadline = Date.now() + START_MS;
  for (;;) {
    const answer = await tryConnect(options.port, options.password);
    const postmaster = postmasterPid(folder);
    if (answer.ok && postmaster !== undefined) return { child, postmaster };
    const ended = failure !== undefined || child.exitCode !== null || child.signalCode !== null;
    if (ended || Date.now() > deadline) {
      child.stdin?.end();
      throw new Error(`PostgreSQL did not start in ${folder.root}. The end of ${folder.log}:\n${logTail(folder)}`, {
        cause: failure ?? (answer.ok ? undefined : answer.error),
      });
    }
    await sleep(25);
  }
};

/** Takes over a server whose owner and guard are gone. */
export const adopt = (folder: DataFolder, postmaster: number, account: Account | undefined): Guard => {
  const log = openLog(folder);
  const child = guardWith(['/bin/sh', '-c', ADOPT, 'headgate-postgres', String(postmaster)], account, log);
  closeSync(log);
  return { child, postmaster };
};

/** Waits until a process is gone; false when it outlives the deadline. */
export const waitUntilGone = async (pid: number, timeoutMs = STOP_MS): Promise<boolean> => {
  const deadline = Date.now() + timeoutMs;
  while (isAlive(pid)) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
};

/** Fast shutdown; an immediate one (with recovery at the next start) when that hangs. */
export const shutDown = async (folder: DataFolder, guard: Guard, binaries: Binaries): Promise<void> => {
  guard.child.stdin?.end();
  if (process.platform === 'win32') {
    spawnSync(binaries.pgCtl, ['stop', '-D', folder.cluster, '-m', 'fast'], { stdio: 'ignore' });
  }
  if (await waitUntilGone(guard.postmaster)) return;
  try {
    process.kill(guard.postmaster, 'SIGQUIT');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
  if (!(await waitUntilGone(guard.postmaster)))
    throw new Error(`PostgreSQL (process ${guard.postmaster}) in ${folder.root} does not end: end it by hand.`);
};
