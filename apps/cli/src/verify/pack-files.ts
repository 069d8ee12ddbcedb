import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { unzip, ZipError } from '#libs/event-store';

/** The files of a pack by their names, and what is wrong with the archive around them. */
export type PackContents = { readonly files: ReadonlyMap<string, Buffer>; readonly trouble: string | undefined };

/** The first bytes of any archive. */
const MARK = 'PK';

const firstBytes = (path: string): string => {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(MARK.length);
    readSync(file, bytes);
    return bytes.toString('latin1');
  } finally {
    closeSync(file);
  }
};

/** Whether it is the archive or the folder of a pack, and not an export of the log. */
export const isPack = (path: string): boolean =>
  existsSync(path) && (statSync(path).isDirectory() || path.endsWith('.zip') || firstBytes(path) === MARK);

/** The files of an archive that a controller gave. Throws `ZipError`. */
export const unzipPack = (archive: Buffer): ReadonlyMap<string, Buffer> => unzip(archive).files;

/** Reads the folder of a pack, or its archive. What cannot be read is said, not thrown. */
export const readPack = (path: string): PackContents => {
  if (statSync(path).isDirectory()) {
    const names = readdirSync(path).filter((name) => statSync(join(path, name)).isFile());
    return { files: new Map(names.map((name) => [name, readFileSync(join(path, name))])), trouble: undefined };
  }
  try {
    const { files, isExact } = unzip(readFileSync(path));
    return { files, trouble: isExact ? undefined : 'bytes of it that belong to no file are not as they were written' };
  } catch (error) {
    if (error instanceof ZipError) return { files: new Map(), trouble: error.message };
    throw error;
  }
};
