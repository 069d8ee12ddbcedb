import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIBS = fileURLToPath(new URL('../../../../libs', import.meta.url));

/** All code by which events are decoded and folded into the view, and by which the view is written and read. */
const FOLDING = ['kernel/src', 'domain/src', 'application/src/queries', 'application/src/workers'];

const isCode = (name: string): boolean => /\.[jt]s$/.test(name) && !/(\.d|\.spec)\.ts$|\.spec\.js$/.test(name);

/**
 * Stands for how this build folds the log: other code, even where it would fold the same, gives another one. So nobody has
 * to remember to raise a number, and an upgrade folds the log anew once.
 */
export const foldOfBuild = (libs = LIBS): string => {
  const hash = createHash('sha256');
  for (const folder of FOLDING) {
    const names = readdirSync(join(libs, folder), { recursive: true, encoding: 'utf8' }).filter(isCode).toSorted();
    for (const name of names) hash.update(`${folder}/${name}\0`).update(readFileSync(join(libs, folder, name)));
  }
  return hash.digest('hex');
};
