import { accessSync, chmodSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { cannotUseFolder } from './start-error.js';

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/** As root, the account that runs the database must pass through to its own folder, whatever the umask. */
const MODE = process.getuid?.() === 0 ? 0o711 : 0o700;

/** One by one: asked for all at once, some file systems that refuse keep Node trying for ever. */
const make = (folder: string): void => {
  try {
    mkdirSync(folder);
    chmodSync(folder, MODE);
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return;
    if (!hasCode(error, 'ENOENT') || statSync(dirname(folder), { throwIfNoEntry: false }) !== undefined) throw error;
    make(dirname(folder));
    make(folder);
  }
};

/** Makes the data folder, entered by nobody but its user. Throws `StartError` when nothing can be written in there. */
export const makeDataFolder = (folder: string): void => {
  try {
    make(folder);
    if (!statSync(folder).isDirectory()) throw new Error('it is not a folder');
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw cannotUseFolder(folder, error);
  }
};
