// Builds the web console into dist/apps/console, unless what lies there was made of the same sources already.
import { createHash, randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const OUT = join(ROOT, 'dist/apps/console');
const STAMP = 'built-from.txt';
const PACKED = /\.(?:js|css|svg)$/;

const filesUnder = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path);
    return entry.name.endsWith('.spec.ts') ? [] : [path];
  });

/** A digest of all that the build is made of. */
const digestOfSources = () => {
  const hash = createHash('sha256');
  const files = [...filesUnder(HERE), ...filesUnder(join(ROOT, 'libs/contracts/src'))];
  for (const path of [...files, join(ROOT, 'package-lock.json'), join(ROOT, 'tsconfig.json')].toSorted())
    hash.update(`${relative(ROOT, path)}\n`).update(readFileSync(path));
  return hash.digest('hex');
};

const pack = (folder) => {
  for (const path of filesUnder(folder).filter((name) => PACKED.test(name))) {
    const bytes = readFileSync(path);
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
  }
};

const digest = digestOfSources();
const stamp = join(OUT, STAMP);
if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== digest) {
  const { build } = await import('vite');
  // Made aside and moved in as a whole: a controller that starts meanwhile finds the old one or the new one.
  const aside = `${OUT}.${randomUUID()}`;
  try {
    await build({ configFile: join(HERE, 'vite.config.js'), logLevel: 'warn', build: { outDir: aside } });
    pack(aside);
    writeFileSync(join(aside, STAMP), digest);
    rmSync(OUT, { recursive: true, force: true });
    renameSync(aside, OUT);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}
