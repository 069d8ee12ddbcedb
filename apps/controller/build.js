// Builds all but the web console into dist, unless what lies there was made of the same sources already.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf, filesUnder } from '../sources.js';

const ROOT = join(import.meta.dirname, '../..');
const STAMP = join(ROOT, 'dist/built-from.txt');
const MADE = join(ROOT, 'dist/apps/controller/src/main.js');
const SETTINGS = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

const sources = ['apps', 'libs', 'test']
  .flatMap((folder) => filesUnder(join(ROOT, folder), 'console'))
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts'));
const digest = digestOf(ROOT, [...sources, ...SETTINGS.map((name) => join(ROOT, name))]);

if (!existsSync(MADE) || !existsSync(STAMP) || readFileSync(STAMP, 'utf8') !== digest) {
  rmSync(STAMP, { force: true });
  const compiler = join(ROOT, 'node_modules/.bin/tsc');
  const { status, error } = spawnSync(compiler, ['-p', 'tsconfig.build.json', '--noCheck'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (error) process.stderr.write(`The build cannot be run (${error.message}): run npm ci first.\n`);
  if (status === 0) writeFileSync(STAMP, digest);
  process.exitCode = status ?? 1;
}
