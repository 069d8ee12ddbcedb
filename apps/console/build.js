// Builds the web console into dist/apps/console, unless what lies there was made of the same sources already.
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { digestOf, filesUnder } from '../sources.js';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const OUT = join(ROOT, 'dist/apps/console');
const STAMP = 'built-from.txt';
const PACKED = /\.(?:js|css|svg)$/;

const sources = [HERE, join(ROOT, 'libs/contracts/src')]
  .flatMap((folder) => filesUnder(folder))
  .filter((path) => !path.endsWith('.spec.ts'));
const digest = digestOf(ROOT, [...sources, join(ROOT, 'package-lock.json'), join(ROOT, 'tsconfig.json')]);

const pack = (folder) => {
  for (const path of filesUnder(folder).filter((name) => PACKED.test(name))) {
    const bytes = readFileSync(path);
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }));
  }
};

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
