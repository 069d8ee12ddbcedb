// What a build is made of, so that what was made of the same sources already need not be made again.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** All files below a folder, but for folders of this name. */
export const filesUnder = (folder, without) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return entry.name === without ? [] : filesUnder(path, without);
  });

/** A digest of the names and the bytes of files. */
export const digestOf = (root, files) => {
  const hash = createHash('sha256');
  for (const path of files.toSorted()) hash.update(`${relative(root, path)}\n`).update(readFileSync(path));
  return hash.digest('hex');
};
