import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from './errors.js';
import { isAlive } from './processes.js';

const HEARTBEAT_MS = 2_000;
const STALE_MS = 30_000;
const WAIT_MS = 90_000;

const tryCreate = (path: string): boolean => {
  try {
    const file = openSync(path, 'wx', 0o600);
    writeSync(file, String(process.pid));
    closeSync(file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
};

/** A holder that was killed leaves its file; a process number alone may have been given to another since. */
const isStale = (path: string): boolean => {
  try {
    const age = Date.now() - statSync(path).mtimeMs;
    const holder = Number(readFileSync(path, 'utf8'));
    return age > STALE_MS || (holder > 0 && !isAlive(holder));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
};

const breakLock = (path: string): void => {
  const aside = `${path}.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  rmSync(aside, { force: true });
};

/** Runs `work` while no other process on this machine works under the same lock file. */
export const withStartLock = async <T>(path: string, work: () => Promise<T>): Promise<T> => {
  const deadline = Date.now() + WAIT_MS;
  while (!tryCreate(path)) {
    if (isStale(path)) breakLock(path);
    else if (Date.now() > deadline)
      throw new Error(`Another start holds ${path} for more than ${WAIT_MS / 1000} s: end it, or delete that file.`);
    else await sleep(50);
  }
  const heartbeat = setInterval(() => utimesSync(path, new Date(), new Date()), HEARTBEAT_MS);
  heartbeat.unref();
  try {
    return await work();
  } finally {
    clearInterval(heartbeat);
    rmSync(path, { force: true });
  }
};
