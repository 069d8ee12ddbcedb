import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { entryOf } from './entry.js';
import type { Door } from './http.js';
import { until } from './until.js';

/** From sources and from the build alike. */
const rootOf = (folder: string): string =>
  existsSync(join(folder, 'package.json')) ? folder : rootOf(dirname(folder));

const ROOT = rootOf(import.meta.dirname);
const MAIN = 'dist/apps/controller/src/main.js';

export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export type ChildController = {
  readonly url: string;
  readonly syncPort: number;
  readonly pid: number;
  readonly dataDir: string;
  /** All that it wrote on stderr. */
  readonly stderr: () => string;
  readonly exited: Promise<Exit>;
  /** Ends it at once, without a chance to say anything. */
  readonly kill9: () => Promise<Exit>;
  readonly terminate: () => Promise<Exit>;
};

type Starting = {
  readonly databaseUrl: string;
  /** Where controller.json and the admin token go; a throw-away folder by default. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArguments?: readonly string[];
  /** Another checkout to run, which is built; default: this one. */
  readonly checkout?: string;
  /** In few files, which starts much faster; for specs that start it often and not for how it starts. */
  readonly bundled?: boolean;
};

const running = new Set<ChildProcess>();
const folders = new Set<string>();

/** Ends whatever is left; call it in afterEach. */
export const endChildren = async (): Promise<void> => {
  await Promise.all(
    [...running].map(
      (child) =>
        new Promise<void>((resolve) => {
          child.once('exit', () => resolve());
          if (!child.kill('SIGKILL')) resolve();
        }),
    ),
  );
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  folders.clear();
};

const newDataDir = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-child-'));
  folders.add(folder);
  return folder;
};

/** The controller as users start it, from the build (`npm run build`), without waiting until it is ready. */
export const spawnController = ({
  databaseUrl,
  dataDir = newDataDir(),
  env = {},
  nodeArguments = [],
  checkout = ROOT,
  bundled = false,
}: Starting) => {
  if (!existsSync(join(checkout, MAIN))) throw new Error(`${checkout} is not built: run \`npm run build\` there.`);
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', ...nodeArguments, bundled ? entryOf('apps/controller/src/main.js', ROOT) : MAIN],
    {
      cwd: checkout,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HEADGATE_DATA_DIR: dataDir,
        DATABASE_URL: databaseUrl,
        HEADGATE_PORT: '0',
        HEADGATE_SYNC_PORT: '0',
        HEADGATE_ADMIN_TOKEN_FILE: join(dataDir, 'admin.token'),
        ...env,
      },
    },
  );
  running.add(child);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const exited = new Promise<Exit>((resolve) => {
    child.once('close', (code, signal) => {
      running.delete(child);
      resolve({ code, signal });
    });
  });
  const end = (signal: NodeJS.Signals) => (): Promise<Exit> => {
    child.kill(signal);
    return exited;
  };
  const pid = child.pid ?? 0;
  return { pid, dataDir, exited, stderr: () => stderr, kill9: end('SIGKILL'), terminate: end('SIGTERM') };
};

type Card = { readonly url: string; readonly syncPort: number; readonly pid: number };

/** The same, ready to serve. */
export const startChild = async (starting: Starting): Promise<ChildController> => {
  const child = spawnController(starting);
  let gone: Exit | undefined;
  void child.exited.then((exit) => (gone = exit));
  const cardOf = (): Card | { readonly failed: string } | undefined => {
    if (gone !== undefined) return { failed: `The controller ended (${gone.code}): ${child.stderr()}` };
    const file = join(child.dataDir, 'controller.json');
    if (!existsSync(file)) return undefined;
    const read = JSON.parse(readFileSync(file, 'utf8')) as Card;
    return read.pid === child.pid ? read : undefined;
  };
  // On a machine that is busy with other specs a process needs long until it has read its own code.
  const card = await until('the controller is ready', cardOf, { timeoutMs: 60_000 });
  if ('failed' in card) throw new Error(card.failed);
  return { ...child, url: card.url, syncPort: card.syncPort };
};

/** The way in of an admin, from the token that the first controller of the database wrote. */
export const adminOf = ({ url, dataDir }: Pick<ChildController, 'url' | 'dataDir'>): Door => ({
  url,
  token: readFileSync(join(dataDir, 'admin.token'), 'utf8').trim(),
});
