import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const ControllerFile = z.object({ url: z.string(), syncPort: z.int(), pid: z.int() });

/** A controller that this process started. */
export type ControllerProcess = {
  readonly url: string;
  readonly syncPort: number;
  readonly adminToken: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly running: () => boolean;
  /** Resolves, in words, when it ends though nobody asked it to. */
  readonly lost: Promise<string>;
  /** Asks it to end, and ends it after 10 s. */
  readonly stop: () => Promise<void>;
};

const READY_MS = 60_000;
const POLL_MS = 50;
const STOP_MS = 10_000;

const readJson = async (path: string): Promise<unknown> => {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    // It is being written.
    return undefined;
  }
};

const waitFor = async <T>(what: () => Promise<T | undefined>, child: ChildProcess, logFile: string): Promise<T> => {
  const deadline = Date.now() + READY_MS;
  while (Date.now() < deadline) {
    const found = await what();
    if (found !== undefined) return found;
    if (hasEnded(child)) {
      throw new Error(
        `The controller ended (${child.exitCode ?? child.signalCode}) before it was ready. Its output is in ${logFile}.`,
      );
    }
    await sleep(POLL_MS);
  }
  throw new Error(`The controller was not ready after ${READY_MS / 1_000} s. Its output is in ${logFile}.`);
};

const ready = async (url: string): Promise<true | undefined> => {
  const answer = await fetch(`${url}/readyz`).catch(() => undefined);
  return answer?.ok === true ? true : undefined;
};

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

const exited = (child: ChildProcess): Promise<void> =>
  hasEnded(child) ? Promise.resolve() : new Promise((resolve) => child.once('exit', () => resolve()));

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** Throws when a controller lives in the folder: what it keeps there must not be taken from under it. */
export const refuseLiveFolder = async (dataDir: string): Promise<void> => {
  const { data } = ControllerFile.safeParse(await readJson(join(dataDir, 'controller.json')));
  if (data === undefined || !isAlive(data.pid)) return;
  throw new Error(`A demo already runs in ${dataDir} (pid ${data.pid}); stop it or give --data-dir another folder.`);
};

/** Starts a controller on free ports, with an embedded PostgreSQL in an empty data folder. Throws when one runs there. @param main its built entry */
export const startController = async (main: string, dataDir: string): Promise<ControllerProcess> => {
  await refuseLiveFolder(dataDir);
  await rm(dataDir, { recursive: true, force: true });
  await mkdir(dataDir, { recursive: true });
  const logFile = join(dataDir, 'controller.log');
  const tokenFile = join(dataDir, 'admin.token');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    HEADGATE_DATA_DIR: dataDir,
    HEADGATE_HOST: '127.0.0.1',
    HEADGATE_PORT: '0',
    HEADGATE_SYNC_PORT: '0',
    HEADGATE_ADMIN_TOKEN_FILE: tokenFile,
  };
  // The demo starts from nothing each time, so it never works on a database that somebody keeps.
  delete env['DATABASE_URL'];
  // A group of its own: Ctrl-C is for the demo, which then ends the controller in order.
  const child = spawn(process.execPath, ['--enable-source-maps', main], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(logFile);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  child.once('exit', () => log.end());

  let isStopping = false;
  const lost = exited(child).then(() =>
    isStopping
      ? new Promise<string>(() => undefined)
      : `The demo's controller has ended (${child.exitCode ?? child.signalCode}). Its output is in ${logFile}.`,
  );
  const stop = async (): Promise<void> => {
    isStopping = true;
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exited(child);
    clearTimeout(late);
  };
  try {
    const read = async () => ControllerFile.safeParse(await readJson(join(dataDir, 'controller.json'))).data;
    const { url, syncPort } = await waitFor(read, child, logFile);
    await waitFor(() => ready(url), child, logFile);
    const token = async () => (await readFile(tokenFile, 'utf8').catch(() => '')).trim() || undefined;
    const adminToken = await waitFor(token, child, logFile);
    return { url, syncPort, adminToken, dataDir, logFile, running: () => !hasEnded(child), lost, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};
