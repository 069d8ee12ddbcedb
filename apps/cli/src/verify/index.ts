import { existsSync, statSync } from 'node:fs';
import { Client, type QueryResult } from 'pg';
import {
  Archive,
  archiveLog,
  type ArchiveReport,
  databaseHeads,
  databaseKeys,
  headsSource,
  KeyFile,
  LogVerifier,
  RotationError,
  rotateSealKey,
  thoroughWhereAltered,
  verifierText,
  verifyDatabase,
  witnessSource,
  type EvidenceSource,
  type SealKey,
  type VerifyReport,
} from '#libs/event-store';
import { ArchiveError } from '#libs/kernel';
import { AppRoleError, createPool, embeddedUrl, grantAppRole, migrate, SchemaMismatchError } from '#libs/postgres';
import { CliError, messageOf, usageError } from '../errors.js';
import { EXIT } from '../exit-codes.js';
import { verifyExport } from './export-file.js';
import { readHead, readKeyOption } from './held.js';

export type { Fault, FittingHead, VerifyReport } from '#libs/event-store';

export { checkPack, type CheckedPack, type PackedEvent } from './pack.js';
export { isPack, readPack, unzipPack } from './pack-files.js';
export type { PackReport } from './pack-report.js';

export interface VerifyOptions {
  /** A file that `headgate log export` wrote. */
  readonly exported?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly keys: readonly string[];
  readonly heads: readonly string[];
  readonly witnesses: readonly string[];
  /** Where old events of the database were archived. */
  readonly archive?: string | undefined;
  readonly onProgress: (line: string) => void;
}

const EVERY_EVENTS = 500_000;
const EVERY_BYTES = 512 * 1_048_576;

/** The database that a data folder holds, while a controller runs it. */
export const localDatabase = (folder: string): string | undefined => embeddedUrl(folder);

/** Runs work on one connection; what the database cannot do is an error that says so. */
const onDatabase = async <T>(url: string, work: (connection: Client) => Promise<T>): Promise<T> => {
  const pool = createPool(url, { max: 1, applicationName: 'headgate-cli' });
  try {
    const connection = await pool.connect().catch((error: unknown) => {
      throw new CliError(`the database cannot be reached: ${messageOf(error)}`, EXIT.unexpected, {
        next: 'check --database, or DATABASE_URL',
      });
    });
    try {
      return await work(connection as unknown as Client);
    } finally {
      connection.release();
    }
  } finally {
    await pool.end();
  }
};

const every = (step: number, say: (at: number) => void): ((at: number) => void) => {
  let next = step;
  return (at) => {
    if (at < next) return;
    next = at + step;
    say(at);
  };
};

interface Around {
  readonly chain: readonly SealKey[];
  readonly sources: readonly EvidenceSource[];
  readonly nodes: boolean;
  readonly thorough: boolean;
}

const prepare = (options: VerifyOptions, { chain, sources, nodes, thorough }: Around) => {
  for (const path of options.witnesses) if (!existsSync(path)) throw usageError(`${path} does not exist`);
  const heads = options.heads.map(readHead);
  const origin = heads[0]?.origin ?? chain[0]?.name;
  const held = options.keys.map((key) => readKeyOption(key, origin));
  const notes: string[] = [];
  const damaged = (path: string) => (line: number, error: unknown) =>
    notes.push(`Line ${line} of ${path} cannot be read (${messageOf(error)}); it was left out.`);
  const verifier = new LogVerifier({
    keys: held.flatMap(({ keys }) => keys),
    chain: chain.length > 0 ? chain : held.flatMap((one) => one.chain),
    sources: [
      headsSource(heads),
      ...sources,
      ...options.witnesses.map((path) => witnessSource(path, `the witness ${path}`, damaged(path))),
    ],
    nodes,
    thorough,
  });
  if (held.length === 0 && chain.length === 0 && heads.length + options.witnesses.length > 0)
    notes.push('No public key was given: the signatures were not checked, only the roots.');
  return { verifier, notes };
};

const withNotes = (report: VerifyReport, notes: readonly string[]): VerifyReport => ({
  ...report,
  notes: [...report.notes, ...notes],
});

const verifyFile = async (path: string, options: VerifyOptions, thorough: boolean): Promise<VerifyReport> => {
  const { verifier, notes } = prepare(options, { chain: [], sources: [], nodes: false, thorough });
  const progress = every(EVERY_BYTES, (bytes) => options.onProgress(`${Math.round(bytes / 1_048_576)} MiB read`));
  const isWhole = await verifyExport(path, verifier, progress);
  if (!isWhole)
    notes.push('The last line has no end and was left out: run `headgate log export` again, which goes on there.');
  return withNotes(await verifier.finish(), notes);
};

/** One moment of the database, whatever is written meanwhile. */
const READ_ONLY = 'begin isolation level repeatable read read only';
const EXPORTED = 'select pg_export_snapshot() as id';

const verifyConnected = async (
  connection: Client,
  url: string,
  options: VerifyOptions,
  thorough: boolean,
): Promise<VerifyReport> => {
  await connection.query(READ_ONLY);
  const snapshot: QueryResult<{ id: string }> = await connection.query(EXPORTED);
  return onDatabase(url, async (reader) => {
    await reader.query(READ_ONLY);
    await reader.query(`set transaction snapshot ${reader.escapeLiteral(snapshot.rows[0]?.id ?? '')}`);
    const chain = await databaseKeys(connection);
    const { verifier, notes } = prepare(options, { chain, sources: [databaseHeads(reader)], nodes: true, thorough });
    const progress = every(EVERY_EVENTS, (position) => options.onProgress(`${position} events`));
    await verifyDatabase(connection, verifier, progress, new Archive(options.archive, 'name with --archive'));
    return withNotes(await verifier.finish(), notes);
  });
};

/** Verifies an export or a database. Throws usage errors for files that are not what they should be. */
export const verifyLog = async (options: VerifyOptions): Promise<VerifyReport> => {
  const { exported, databaseUrl } = options;
  if (exported !== undefined) {
    if (!existsSync(exported)) throw usageError(`${exported} does not exist`);
    return thoroughWhereAltered((thorough) => verifyFile(exported, options, thorough));
  }
  if (databaseUrl === undefined) throw usageError('name an export, or --database');
  return thoroughWhereAltered((thorough) =>
    onDatabase(databaseUrl, (connection) => verifyConnected(connection, databaseUrl, options, thorough)),
  ).catch(inWords);
};

/** No such schema, table or column. */
const NO_LOG = new Set(['3F000', '42P01', '42703']);

const inWords = (error: unknown): never => {
  if (error instanceof ArchiveError) throw usageError(error.message);
  if (NO_LOG.has(String((error as { readonly code?: unknown }).code)))
    throw usageError(`this database has no log that this version of Headgate can read: ${messageOf(error)}`, {
      next: 'name the database of a controller, or bring it up to date: headgate migrate',
    });
  throw error;
};

/** What the database answers to whoever may not archive, by its code. */
const REFUSED: Readonly<Record<string, readonly [message: string, next: string]>> = {
  // insufficient_privilege
  '42501': ['this role may take nothing out of the log', 'name the owner of the database: --database'],
  // not_null_violation
  '23502': ['this database is older than this version of Headgate', 'bring it up to date first: headgate migrate'],
};

const refusedInWords = (error: unknown): never => {
  const [message, next = ''] = REFUSED[String((error as { readonly code?: unknown }).code)] ?? [];
  if (message !== undefined) throw usageError(message, { next });
  return inWords(error);
};

/** Takes the bodies of old events out of a database into files, as its owner. Throws a usage error where it cannot. */
export const archiveDatabase = (
  url: string,
  { folder, before, onProgress }: { folder: string; before: string; onProgress: (line: string) => void },
): Promise<ArchiveReport> => {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw usageError(`${folder} is no folder`, { next: 'make the folder, where backups reach it' });
  const progress = every(EVERY_EVENTS, (position) => onProgress(`${position} events`));
  return onDatabase(url, (connection) =>
    archiveLog(connection, { folder, before: new Date(before), onProgress: progress }),
  ).catch(refusedInWords);
};

export interface RotatedKey {
  readonly id: string;
  readonly publicKey: string;
  readonly fromSize: number;
  readonly keyFile: string;
}

/** Makes the next signing key of a log. Throws a usage error with the remedy where it cannot. */
export const rotateKey = (url: string, keyFile: string, lost: boolean, now: number): Promise<RotatedKey> =>
  onDatabase(url, async (client) => {
    try {
      const key = await rotateSealKey({ client, file: new KeyFile(keyFile), now }, { lost });
      return { id: key.id, publicKey: verifierText(key), fromSize: key.fromSize, keyFile };
    } catch (error) {
      if (error instanceof RotationError) throw usageError(error.message);
      throw error;
    }
  });

/** Brings a database up to date as its owner, and lets `role` run controllers on it. Gives the migrations that it applied. */
export const migrateDatabase = async (url: string, role: string | undefined): Promise<readonly string[]> => {
  const pool = createPool(url, { max: 1, applicationName: 'headgate-cli' });
  try {
    const { applied } = await migrate(pool);
    if (role !== undefined) await onDatabase(url, (connection) => grantAppRole(connection, role));
    return applied;
  } catch (error) {
    if (error instanceof AppRoleError || error instanceof SchemaMismatchError) throw usageError(error.message);
    throw error;
  } finally {
    await pool.end();
  }
};
