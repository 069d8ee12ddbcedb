import { createTestDatabase, type TestDatabase } from '#test/test-database';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { countingCodec, event, to, until } from './conformance.spec-support.js';
import { ArchiveError } from '#libs/kernel';
import { Archive, archiveLog, PostgresEventStore, PostgresLogTree, subscribe } from './index.js';
import { openSealedLog, verifyPool, type SealedLog } from './sealed-log.spec-support.js';

const FILE = 4_096;
const FIRST = 'events-000000000001-000000004096.ndjson.gz';
const LATER = new Date(Date.now() + 86_400_000);

let database: TestDatabase;
let log: SealedLog;
let folder: string;

/** Two files full of events and a few more, in streams of which some are written to until the end. */
const fill = async (): Promise<void> => {
  const appends = Array.from({ length: 2 * FILE + 10 }, (_, n) =>
    log.store.append(to(n % 2 === 0 ? `rollout-${Math.floor(n / 20)}` : 'config', 'any', event({ n: n + 1 }))),
  );
  await Promise.all(appends);
};

const archive = async (before = LATER) => {
  const client = await log.pool.connect();
  try {
    return await archiveLog(client, { folder, before, onProgress: () => undefined });
  } finally {
    client.release();
  }
};
const reading = (from: string | undefined) => new Archive(from, 'set HEADGATE_ARCHIVE_DIR to');
const storeFrom = (from: string | undefined) =>
  new PostgresEventStore({ pool: log.pool, codec: countingCodec, archive: reading(from) });
const all = async (store: PostgresEventStore) => {
  const events = [];
  for (let after = 0; ;) {
    const page = await store.readAll({ after, limit: 1_000 });
    if (page.length === 0) return events;
    events.push(...page);
    after = page.at(-1)!.position;
  }
};
const keysOf = () => ({ keys: log.keys.asSource().all(), witness: log.file.path });

beforeAll(async () => {
  database = await createTestDatabase();
  log = openSealedLog(database);
  folder = join(log.folder, 'archive');
  mkdirSync(folder);
  log.start();
  await fill();
  await until('the witness has the newest head', () => log.file.last()?.size === 2 * FILE + 10);
});
afterAll(async () => {
  await log.close();
  await database.drop();
});

describe('old events in files', () => {
  it('leaves what was recorded since, and files that would not be full', async () => {
    expect(await archive(new Date(0))).toEqual({ upTo: 0, files: 0, written: 0, emptied: 0, characters: 0 });
    expect(readdirSync(folder)).toEqual([]);
  });

  it('takes away what a call left that was killed, not what another one writes', async () => {
    const [left, written, other] = [`${FIRST}.17.part`, `${FIRST}.18.part`, 'notes.part'];
    for (const name of [left, written, other]) writeFileSync(join(folder, name), 'half');
    for (const name of [left, other]) utimesSync(join(folder, name), new Date(0), new Date(0));
    await archive(new Date(0));
    expect(readdirSync(folder)).toEqual([written, other]);
    for (const name of [written, other]) rmSync(join(folder, name));
  });

  it('can be stopped between a file and the database: nothing is lost, and the next call goes on', async () => {
    const blocker = await log.pool.connect();
    await blocker.query('begin');
    await blocker.query('lock table event_store.events in share mode');
    const archiving = archive().then(
      () => 'archived',
      () => 'stopped',
    );
    const waiting = async (): Promise<number | undefined> => {
      const sql = `select pid from pg_stat_activity where datname = current_database() and wait_event = 'relation'`;
      return (await log.pool.query<{ pid: number }>(sql)).rows[0]?.pid;
    };
    await until('it wants to take bodies out', async () => (await waiting()) !== undefined);
    await blocker.query('select pg_terminate_backend($1)', [await waiting()]);
    expect(await archiving).toBe('stopped');
    await blocker.query('rollback');
    blocker.release();
    expect(readdirSync(folder)).toEqual([FIRST]);
    expect(await storeFrom(undefined).readStream('rollout-7')).toHaveLength(10);
  });

  it('takes nothing out where a file cannot be written, and says why', async () => {
    const whole = folder;
    folder = log.file.path;
    await expect(archive()).rejects.toThrow(/cannot be written into .* \(ENOTDIR\): nothing of it was taken out/);
    folder = whole;
    expect(await storeFrom(undefined).readStream('rollout-7')).toHaveLength(10);
  });

  it('reads as before: all of it, one stream, single events, exact bodies and proofs', async () => {
    const plain = storeFrom(undefined);
    const tree = (from?: string) => new PostgresLogTree(log.pool, () => ({ state: 'off' }), reading(from));
    const positions = [1, 300, FILE, FILE + 1, 2 * FILE + 3];
    const before = {
      all: await all(plain),
      stream: await plain.readStream('rollout-7'),
      single: await plain.readPositions(positions),
      bodies: await tree().bodiesAt(positions),
      page: await tree().bodies(FILE - 3, 6),
      proof: await tree().inclusion(5, 2 * FILE),
    };
    const report = await archive();
    expect(report).toMatchObject({ upTo: 2 * FILE, files: 2, written: 1 });
    expect(report.emptied).toBeGreaterThan(FILE - 100);
    const stored = storeFrom(folder);
    expect({
      all: await all(stored),
      stream: await stored.readStream('rollout-7'),
      single: await stored.readPositions(positions),
      bodies: await tree(folder).bodiesAt(positions),
      page: await tree(folder).bodies(FILE - 3, 6),
      proof: await tree(folder).inclusion(5, 2 * FILE),
    }).toEqual(before);
  });

  it('keeps at hand what is still written to: no file is needed for it', async () => {
    expect(await storeFrom(undefined).readStream('config')).toHaveLength(FILE + 5);
    await expect(storeFrom(undefined).readStream('rollout-7')).rejects.toThrow(
      new RegExp(`archived into ${FIRST}: set HEADGATE_ARCHIVE_DIR`),
    );
  });

  it('is told of by a reader that cannot have it, once, and goes on once it can', async () => {
    const away = join(log.folder, 'away');
    renameSync(folder, away);
    const reasons: string[] = [];
    const store = storeFrom(folder);
    const tries = vi.spyOn(store, 'readAll');
    const reader = subscribe({
      store,
      name: 'spec',
      after: 0,
      handle: () => undefined,
      pollMs: 5,
      onRetry: ({ message }) => reasons.push(message),
    });
    await until('the reader has tried again and again', () => tries.mock.calls.length > 3);
    renameSync(away, folder);
    await reader.reached(2 * FILE);
    await reader.stop();
    expect(reasons).toEqual([expect.stringMatching(/Event 1 was archived, and .* cannot be read \(ENOENT\)/)]);
  });

  it('goes on where it was: nothing is written or taken out twice', async () => {
    expect(await archive()).toEqual({ upTo: 2 * FILE, files: 2, written: 0, emptied: 0, characters: 0 });
  });

  it('is an export that any program which reads gzip can read', async () => {
    const lines = gunzipSync(readFileSync(join(folder, FIRST)))
      .toString()
      .split('\n');
    expect(lines).toHaveLength(FILE + 1);
    expect(JSON.parse(lines[41]!)).toMatchObject({ position: 42 });
  });

  it('is verified with the files, to the same verdict', async () => {
    expect(await verifyPool(log.pool, { ...keysOf(), archive: reading(folder) })).toMatchObject({
      verdict: 'anchored',
      events: 2 * FILE + 10,
      faults: [],
    });
    await expect(verifyPool(log.pool, keysOf())).rejects.toThrow(ArchiveError);
  });

  it('names the event that was altered in a file, and gives nobody what was altered', async () => {
    const path = join(folder, FIRST);
    const whole = readFileSync(path);
    const { packSegment } = await import('./archive/segment.js');
    const lines = gunzipSync(whole).toString().split('\n').slice(0, -1);
    const altered = lines.map((line, n) => (n === 40 ? line.replace('"n":41', '"n":42') : line));
    writeFileSync(path, packSegment(altered));
    expect(await verifyPool(log.pool, { ...keysOf(), archive: reading(folder) })).toMatchObject({
      verdict: 'altered',
      first: { kind: 'leaf', from: 41 },
    });
    await expect(storeFrom(folder).readPositions([41])).rejects.toThrow(/event 41 in .* put back a copy/);
    await expect(archive()).rejects.toThrow(/does not hold event 41 .* nothing more was taken out/);
    await expect(archive()).rejects.toThrow(/Keep the file, as others of its bodies are nowhere else/);
    const torn = Buffer.from(whole);
    torn[5_000]! ^= 1;
    writeFileSync(path, torn);
    const store = storeFrom(folder);
    await expect(all(store)).rejects.toThrow(ArchiveError);
    const { verdict, notes } = await verifyPool(log.pool, { ...keysOf(), archive: reading(folder) });
    expect([verdict, notes.filter((note) => note.includes(FIRST))]).toEqual([
      'altered',
      [expect.stringMatching(/cannot be unpacked where event \d+ stands/)],
    ]);
    writeFileSync(path, whole);
    expect((await all(store)).length).toBe(2 * FILE + 10);
  });

  it('reads the same bodies from a file that another program has packed', async () => {
    const path = join(folder, FIRST);
    const whole = readFileSync(path);
    writeFileSync(path, gzipSync(gunzipSync(whole)));
    expect((await all(storeFrom(folder))).length).toBe(2 * FILE + 10);
    expect(await archive()).toMatchObject({ written: 0 });
    writeFileSync(path, whole);
  });

  it('says which of the files that were asked for cannot be read, until they can', async () => {
    const store = storeFrom(folder);
    renameSync(join(folder, FIRST), join(folder, 'elsewhere'));
    expect(await store.unreadable()).toEqual([]);
    await expect(store.readPositions([1])).rejects.toThrow(ArchiveError);
    expect(await store.unreadable()).toEqual([
      expect.stringMatching(new RegExp(`${FIRST} cannot be read \\(ENOENT\\)`)),
    ]);
    mkdirSync(join(folder, FIRST));
    expect(await store.unreadable()).toEqual([expect.stringContaining(`${FIRST} cannot be read (it is no file)`)]);
    rmdirSync(join(folder, FIRST));
    renameSync(join(folder, 'elsewhere'), join(folder, FIRST));
    expect(await store.unreadable()).toEqual([]);
  });

  it('says which file is missing, and reads it once it is there again', async () => {
    const path = join(folder, FIRST);
    const whole = readFileSync(path);
    const store = storeFrom(folder);
    rmSync(path);
    await expect(store.readPositions([41])).rejects.toThrow(/cannot be read \(ENOENT\): put the file there/);
    await expect(archive()).rejects.toThrow(/archived before, and .* is not there/);
    writeFileSync(path, whole);
    expect(await store.readPositions([41])).toHaveLength(1);
  });

  it('lets nobody change anything else of an event', async () => {
    for (const statement of [
      `update event_store.events set body = 'x' where position = 1`,
      `update event_store.events set body = null, leaf = '\\x00' where position = 2`,
      `update event_store.events set recorded_at = now() where position = 1`,
    ])
      await expect(log.pool.query(statement)).rejects.toThrow(/append-only/);
  });
});
