import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createPool } from '#libs/postgres';
import type { TestDatabase } from '#test/test-database';
import type { Pool, PoolClient } from 'pg';
import { countingCodec, event, to, until } from './conformance.spec-support.js';
import {
  type Archive,
  databaseHeads,
  databaseKeys,
  headsSource,
  KeyFile,
  LogVerifier,
  parseCheckpoint,
  PostgresEventStore,
  Sealer,
  verifyDatabase,
  WitnessFile,
  witnessSource,
  type SealerOptions,
  type SignedHead,
  type Verifier,
  type VerifyReport,
} from './index.js';

const EVERY_MS = 10;

/** A log in a database of its own, with sealers that are quicker than real ones, and a folder for key and witness. */
export const openSealedLog = (database: TestDatabase) => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-seal-'));
  const pool = createPool(database.url, { max: 4 });
  const store = new PostgresEventStore({ pool, codec: countingCodec });
  const keys = new KeyFile(join(folder, 'seal-key'));
  const file = new WitnessFile(join(folder, 'witness.ndjson'));
  const sealers = new Set<Sealer>();
  const stopped: string[] = [];
  const errors: string[] = [];
  let appended = 0;

  /** Appends events to streams in turn; the first is `n` 1. */
  const append = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      appended += 1;
      await store.append(to(`counter-${appended % 3}`, 'any', event({ n: appended })));
    }
  };
  const start = (options: Partial<SealerOptions> = {}): Sealer => {
    const sealer = new Sealer({
      url: database.url,
      keys: keys.asSource(),
      file,
      now: Date.now,
      onCommit: (ring) => store.onCommit(ring),
      onStopped: ({ message = '' }) => stopped.push(message),
      onError: (error) => errors.push(error.message),
      everyMs: EVERY_MS,
      ...options,
    });
    sealers.add(sealer);
    sealer.start();
    return sealer;
  };
  const stop = async (sealer: Sealer): Promise<void> => {
    sealers.delete(sealer);
    await sealer.stop();
  };
  const sealedTo = async (): Promise<number> => {
    const { rows } = await pool.query<{ size: number }>(
      'select coalesce(max(size), 0) as size from event_store.tree_heads',
    );
    return Number(rows[0]?.size);
  };
  /** Appends, and waits until a head covers it and the witness has it. */
  const appendSealed = async (count: number): Promise<SignedHead> => {
    await append(count);
    await until('the witness has the newest head', () => (file.last()?.size ?? 0) >= appended);
    return file.last() as SignedHead;
  };
  const close = async (): Promise<void> => {
    for (const sealer of sealers) await sealer.stop();
    await store.close();
    await pool.end();
    rmSync(folder, { recursive: true, force: true });
  };
  return { folder, pool, store, keys, file, stopped, errors, append, appendSealed, start, stop, sealedTo, close };
};

export type SealedLog = ReturnType<typeof openSealedLog>;

type HeldByVerifier = {
  readonly keys?: readonly Verifier[];
  readonly witness?: string;
  readonly heads?: readonly string[];
  readonly archive?: Archive;
};

/** Verifies the database with what the verifier holds from outside. */
export const verifyPool = async (pool: Pool, held: HeldByVerifier = {}): Promise<VerifyReport> => {
  const client = await pool.connect();
  const reader = await pool.connect();
  try {
    return await verifyOn(client, reader, held);
  } finally {
    client.release();
    reader.release();
  }
};

const verifyOn = async (
  client: PoolClient,
  reader: PoolClient,
  { keys = [], witness, heads = [], archive }: HeldByVerifier,
) => {
  const notes: string[] = [];
  const held = heads.map((text) => ({ ...parseCheckpoint(text), from: 'the head that was kept', outside: true }));
  const damaged = (line: number): void => void notes.push(`line ${line}`);
  const verifier = new LogVerifier({
    keys,
    chain: await databaseKeys(client),
    sources: [
      headsSource(held),
      databaseHeads(reader),
      ...(witness === undefined ? [] : [witnessSource(witness, 'the witness', damaged)]),
    ],
    nodes: true,
  });
  await verifyDatabase(client, verifier, undefined, archive);
  return verifier.finish();
};

/** Statements of whoever owns the database, past the triggers that guard the log. */
export const asOwner = async (pool: Pool, ...statements: readonly string[]): Promise<void> => {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('set local session_replication_role = replica');
    for (const statement of statements) await client.query(statement);
    await client.query('commit');
  } finally {
    client.release();
  }
};
