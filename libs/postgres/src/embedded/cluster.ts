import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Account } from './account.js';
import { asAccount, canEnter } from './account.js';
import type { Binaries } from './binaries.js';

/** The superuser of an embedded server, and the name of its default database. */
export const OWNER = 'headgate';

/** The files in a data folder. */
export type DataFolder = {
  readonly root: string;
  /** The cluster itself, or a link to where the server's user can reach it. */
  readonly cluster: string;
  readonly password: string;
  readonly state: string;
  readonly lock: string;
  readonly log: string;
};

/** Names the files of a data folder and makes the folder. */
export const openDataFolder = (root: string): DataFolder => {
  if (!existsSync(root)) {
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // As root the server's user must pass through, whatever the umask, so that the cluster can lie inside.
    if (process.getuid?.() === 0) chmodSync(root, 0o711);
  }
  return {
    root,
    cluster: join(root, 'cluster'),
    password: join(root, 'password'),
    state: join(root, 'server.json'),
    lock: join(root, 'start.lock'),
    log: join(root, 'postgres.log'),
  };
};

/** The password of this data folder, made once. */
export const folderPassword = (folder: DataFolder): string => {
  if (!existsSync(folder.password)) {
    writeFileSync(folder.password, randomBytes(24).toString('base64url'), { mode: 0o600 });
  }
  return readFileSync(folder.password, 'utf8').trim();
};

const run = (program: string, args: readonly string[], account: Account | undefined): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...asAccount(account),
      stdio: ['ignore', 'pipe', 'pipe'],
      // initdb would otherwise take over the locale of whoever starts it.
      env: { ...process.env, LC_ALL: 'C', TZ: 'UTC' },
    });
    const output: string[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with status ${code}: ${output.join('').trim().slice(-1_500)}`));
    });
  });

const give = (path: string, account: Account | undefined): void => {
  if (account !== undefined) chownSync(path, account.uid, account.gid);
};

/**
 * Makes the cluster where there is none. It is built beside and renamed (or linked) at the end, so that an
 * interrupted start leaves nothing that looks like a cluster.
 */
export const ensureCluster = async (
  folder: DataFolder,
  binaries: Binaries,
  account: Account | undefined,
  options: { readonly durable: boolean; readonly stateFolder: string },
): Promise<void> => {
  if (existsSync(folder.cluster)) return;
  const reachable = canEnter(account, folder.root);
  const parent = reachable ? folder.root : join(options.stateFolder, 'clusters');
  mkdirSync(parent, { recursive: true, mode: 0o755 });
  const id = randomUUID();
  const workshop = join(parent, `.new-${id}`);
  mkdirSync(workshop, { mode: 0o700 });
  give(workshop, account);
  try {
    const passwordFile = join(workshop, 'password');
    writeFileSync(passwordFile, folderPassword(folder), { mode: 0o600 });
    give(passwordFile, account);
    const built = join(workshop, 'cluster');
    const args = [
      '-D',
      built,
      '-U',
      OWNER,
      '-A',
      'scram-sha-256',
      '--pwfile',
      passwordFile,
      '-E',
      'UTF8',
      '--locale=C',
    ];
    await run(binaries.initdb, options.durable ? args : [...args, '--no-sync'], account);
    if (reachable) {
      renameSync(built, folder.cluster);
    } else {
      renameSync(built, join(parent, id));
      rmSync(folder.cluster, { force: true });
      symlinkSync(join(parent, id), folder.cluster);
    }
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
};

/** Deletes the data folder and a cluster that lies elsewhere. */
export const removeDataFolder = (folder: DataFolder): void => {
  if (existsSync(folder.cluster)) rmSync(realpathSync(folder.cluster), { recursive: true, force: true });
  rmSync(folder.root, { recursive: true, force: true });
};
