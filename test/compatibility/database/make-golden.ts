import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Pool } from 'pg';
import { eventVersions } from '#libs/domain';
import { createPool, startEmbeddedPostgres } from '#libs/postgres';
import { adminOf, endChildren, startChild, type ChildController } from '#test/kit/child';
import { until } from '#test/kit/until';
import { trim, writeGolden } from './golden.js';
import { History } from './history.js';
import { stateOf, type State } from './state.js';

const HELP = `Usage: npm run golden -- COMMIT [--checkout FOLDER]

Lets a release live through a history on a database of its own, is killed in the middle of it, and keeps the database in
test/compatibility/database/. README.md there says more.

  COMMIT             of the release, as it will be named for ever
  --checkout FOLDER  where that release is checked out and built (default: here)
`;

const SOURCES = 'test/compatibility/database';
const FLEETS = 'apps/simulator/src/main.js';

type Release = { readonly commit: string; readonly version: string; readonly checkout: string };
type Fleets = { readonly stop: () => Promise<void> };

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** The release's own simulator, against its own controller. */
const startFleets = async (
  release: Release,
  controller: ChildController,
  token: string,
  pool: Pool,
): Promise<Fleets> => {
  const { url, syncPort, dataDir } = controller;
  const place = ['--url', url, '--sync-port', String(syncPort), '--data-dir', join(dataDir, 'fleets')];
  const main = join(release.checkout, 'dist', FLEETS);
  const child = spawn(process.execPath, [main, resolve(SOURCES, 'fleets.yaml'), ...place], {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], HEADGATE_TOKEN: token },
  });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  process.once('exit', () => child.kill('SIGKILL'));
  await until('every target has traffic', async () => {
    const { rows } = await pool.query<{ targets: number }>(
      'select count(distinct target)::int as targets from evidence.traffic',
    );
    return rows[0]?.targets === 3;
  });
  return { stop };
};

/** Ended by kill -9 each time: first at its work, then with a controller that only accepts. */
const live = async (release: Release, databaseUrl: string, pool: Pool, dataDir: string): Promise<void> => {
  const starting = { databaseUrl, dataDir, checkout: release.checkout };
  const first = await startChild(starting);
  const history = new History(adminOf(first), pool);
  const fleets = await startFleets(release, first, await history.begin(), pool);
  await history.pastRollouts();
  await history.underWay();
  await first.kill9();
  await fleets.stop();
  const second = await startChild({ ...starting, env: { HEADGATE_ROLE: 'api' } });
  const end = await new History(adminOf(second), pool).onlyAccepted();
  await second.kill9();
  await end();
};

const make = async (release: Release, work: string): Promise<void> => {
  const server = await startEmbeddedPostgres({ dataDir: join(work, 'postgres'), durable: false });
  const pool = createPool(server.url, { max: 4 });
  const dataDir = join(work, 'controller');
  const folder = join(SOURCES, release.commit);
  try {
    await live(release, server.url, pool, dataDir);
    await trim(pool);
    const { rows } = await writeGolden(pool, folder, { version: release.version, commit: release.commit });
    const asked = await startChild({
      databaseUrl: server.url,
      dataDir,
      checkout: release.checkout,
      env: { HEADGATE_ROLE: 'api' },
    });
    const state = await stateOf(adminOf(asked));
    writeFileSync(join(folder, 'state.json'), textOf(state));
    say(`${folder}: ${JSON.stringify(rows, null, 2)}`);
    const missing = Object.keys(eventVersions).filter((type) => state.history.types[type] === undefined);
    if (missing.length > 0) say(`Event types that do not occur: ${missing.join(', ')}`);
  } finally {
    await endChildren();
    await pool.end();
    await server.stop({ remove: true });
  }
};

/** An item a line. */
const textOf = (state: State): string => {
  const parts = Object.entries(state).map(([name, part]: [string, unknown]) => {
    const text = Array.isArray(part)
      ? `[\n${part.map((item) => JSON.stringify(item)).join(',\n')}\n]`
      : JSON.stringify(part);
    return `"${name}": ${text}`;
  });
  return `{\n${parts.join(',\n')}\n}\n`;
};

const versionOf = (checkout: string): string =>
  (JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')) as { readonly version: string }).version;

const main = async (): Promise<void> => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { checkout: { type: 'string', default: '.' }, help: { type: 'boolean' } },
  });
  const [commit] = positionals;
  if (values.help === true || commit === undefined) {
    say(HELP);
    process.exitCode = commit === undefined ? 2 : 0;
    return;
  }
  const checkout = resolve(values.checkout);
  const work = mkdtempSync(join(tmpdir(), 'headgate-golden-'));
  try {
    await make({ commit, version: versionOf(checkout), checkout }, work);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

await main();
