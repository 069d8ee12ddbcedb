import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { withClient } from '#libs/postgres';
import { Pool } from 'pg';

const run = promisify(execFile);

/** The floor: inserts of one row, each its own commit, with nothing around them. */
export type RawInserts = {
  readonly described: string;
  /** Inserts/s by this many clients. */
  readonly rate: (clients: number, seconds: number) => Promise<number>;
  readonly close: () => Promise<void>;
};

const TABLE = `create table rows (
  position bigint generated always as identity primary key,
  stream_id text not null, stream_version integer not null,
  recorded_at timestamptz not null default clock_timestamp(),
  body text not null, leaf bytea not null,
  unique (stream_id, stream_version))`;

const LEAF = `\\x${'ab'.repeat(32)}`;

/** pgbench of the system: on the path, or where Debian puts it. */
export const findPgbench = (): string | undefined => {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  const folders = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    ...versions.map((name) => join(debian, name, 'bin')),
  ];
  return folders.map((folder) => join(folder, 'pgbench')).find((program) => existsSync(program));
};

/** Inserts by pgbench, prepared, every value of the row sent as a parameter. */
export const runPgbench = async (pgbench: string, url: string, body: string): Promise<RawInserts> => {
  await withClient(url, (client) => client.query(TABLE));
  const folder = mkdtempSync(join(tmpdir(), 'headgate-pgbench-'));
  const script = join(folder, 'insert.sql');
  writeFileSync(
    script,
    '\\set id random(1, 9000000000000000000)\ninsert into rows (stream_id, stream_version, body, leaf) values (:prefix || :id, 1, :body, :leaf);\n',
  );
  const { hostname, port, username, password, pathname } = new URL(url);
  const env = { ...process.env, PGPASSWORD: decodeURIComponent(password) };
  const rate = async (clients: number, seconds: number) => {
    const connection = ['-h', hostname, '-p', port, '-U', username, pathname.slice(1)];
    // The prefix makes the stream id as long as ours.
    const values = ['-D', `body=${body}`, '-D', `leaf=${LEAF}`, '-D', 'prefix=rollout-0198f0c0-7d7a-7000-'];
    const load = ['-n', '-M', 'prepared', '-c', String(clients), '-j', '2', '-T', String(Math.ceil(seconds))];
    const { stdout } = await run(pgbench, [...load, '-f', script, ...values, ...connection], { env });
    const found = /tps = ([\d.]+) \(without initial connection time\)/.exec(stdout);
    if (found === null) throw new Error(`pgbench printed no rate: ${stdout}`);
    return Number(found[1]);
  };
  const close = async () => rmSync(folder, { recursive: true });
  return { described: `pgbench, 16 clients, prepared`, rate, close };
};

/** Where there is no pgbench: the same prepared insert by a bare pg pool in this process. */
export const runRawInserts = async (url: string, body: string): Promise<RawInserts> => {
  await withClient(url, (client) => client.query(TABLE));
  const pool = new Pool({ connectionString: url, max: 16 });
  const rate = async (clients: number, seconds: number) => {
    let done = 0;
    const end = performance.now() + seconds * 1_000;
    const call = async () => {
      while (performance.now() < end) {
        await pool.query({
          name: 'insert',
          text: 'insert into rows (stream_id, stream_version, body, leaf) values ($1, 1, $2, $3)',
          values: [`rollout-${randomUUID()}`, body, LEAF],
        });
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: clients }, call));
    return done / seconds;
  };
  return { described: 'bare pg pool of 16 (no pgbench here)', rate, close: () => pool.end() };
};
