import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

/** The user that the server runs as when we are root: PostgreSQL refuses to run as root. */
export type Account = { readonly name: string; readonly uid: number; readonly gid: number };

const CANDIDATES = ['postgres', 'nobody'];

const lookUp = (passwd: string, matches: (name: string, uid: number) => boolean): Account | undefined => {
  for (const line of passwd.split('\n')) {
    const [name = '', , uid = '', gid = ''] = line.split(':');
    if (name === '' || name.startsWith('#') || uid === '') continue;
    // macOS writes nobody as -2.
    const account = { name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
    if (matches(account.name, account.uid)) return account;
  }
  return undefined;
};

const ownerOf = (folder: string): { uid: number; gid: number } | undefined => {
  const stat = statSync(folder, { throwIfNoEntry: false });
  return stat === undefined || stat.uid === 0 ? undefined : { uid: stat.uid, gid: stat.gid };
};

/**
 * Who has to run the server: undefined for ourselves, and as root the owner of the cluster that is already there,
 * otherwise `postgres` or `nobody`.
 */
export const serverAccount = (cluster: string): Account | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const owner = ownerOf(cluster);
  if (owner !== undefined) return { name: `uid ${owner.uid}`, ...owner };
  const passwd = readFileSync('/etc/passwd', 'utf8');
  for (const candidate of CANDIDATES) {
    const account = lookUp(passwd, (name) => name === candidate);
    if (account !== undefined) return account;
  }
  throw new Error(
    'PostgreSQL does not run as root, and this machine has neither a user postgres nor a user nobody: start Headgate as an ordinary user, or set DATABASE_URL.',
  );
};

/** Options for a child process that runs as the account, in a folder that everybody can enter. */
export const asAccount = (account: Account | undefined) => ({
  cwd: process.platform === 'win32' ? undefined : '/',
  ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
});

/** Whether the account can run this program with its libraries. */
export const canRun = (account: Account | undefined, program: string): boolean =>
  spawnSync(program, ['--version'], { ...asAccount(account), stdio: 'ignore' }).status === 0;

/** Whether the account can enter and list this folder on its whole path. */
export const canEnter = (account: Account | undefined, folder: string): boolean =>
  account === undefined ||
  spawnSync('/bin/sh', ['-c', 'test -x "$1"', 'sh', folder], { ...asAccount(account), stdio: 'ignore' }).status === 0;
