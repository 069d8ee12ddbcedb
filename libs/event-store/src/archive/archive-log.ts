import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ArchiveError } from '#libs/kernel';
import type { Client, PoolClient } from 'pg';
import { leafHash } from '../canonical.js';
import { Archive, whyOf } from './archive.js';
import { fileNameOf, firstOf, lastOf, packSegment, SEGMENT } from './segment.js';

const UNFINISHED = /^events-\d+-\d+\.ndjson\.gz\.\d+\.part$/;
const UNFINISHED_MS = 3_600_000;

type Connection = Pick<Client | PoolClient, 'query'>;

export type ArchiveOptions = {
  /** Exists, and is on a disk that outlives this one. */
  readonly folder: string;
  /** Events recorded after this moment stay as they are. */
  readonly before: Date;
  readonly onProgress: (position: number, of: number) => void;
};

export type ArchiveReport = {
  /** The last event that is in a file; 0 without any. */
  readonly upTo: number;
  readonly files: number;
  /** Files that were not there before. */
  readonly written: number;
  /** Bodies that this call took out of the database, and how many characters they had. */
  readonly emptied: number;
  readonly characters: number;
};

/** How many files full of events are sealed and older than that. */
const dueSegments = async (connection: Connection, before: Date): Promise<number> => {
  const { rows } = await connection.query<{ upto: string | number }>(
    `select least(event_store.position_at($1::timestamptz - interval '1 millisecond'),
                  (select coalesce(max(size), 0) from event_store.tree_heads)) as upto`,
    [before],
  );
  return Math.floor(Number(rows[0]?.upto ?? 0) / SEGMENT);
};

type Row = readonly [position: string | number, leaf: Buffer, body: string | null];

const readRows = async (connection: Connection, segment: number): Promise<readonly Row[]> => {
  const { rows } = await connection.query<[string | number, Buffer, string | null]>({
    text: 'select position, leaf, body from event_store.events where position between $1 and $2 order by position',
    values: [firstOf(segment), lastOf(segment)],
    rowMode: 'array',
  });
  if (rows.length !== SEGMENT)
    throw new ArchiveError(
      `Of the events ${firstOf(segment)} to ${lastOf(segment)} only ${rows.length} are there: run \`headgate verify --database\` first.`,
    );
  return rows;
};

const onFile = (path: string, flags: string, work: (file: number) => void): void => {
  const file = openSync(path, flags, 0o640);
  try {
    work(file);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
};

/** On disk, whole, or not there under its name. */
const writeWhole = (folder: string, name: string, bytes: Buffer): void => {
  const unfinished = join(folder, `${name}.${process.pid}.part`);
  try {
    onFile(unfinished, 'w', (file) => {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
    });
    renameSync(unfinished, join(folder, name));
    // The name is on disk as well.
    onFile(folder, 'r', () => undefined);
  } catch (error) {
    if (existsSync(unfinished)) rmSync(unfinished);
    throw new ArchiveError(
      `${name} cannot be written into ${folder} (${whyOf(error)}): nothing of it was taken out of the database. Make room or change its rights, and call this again.`,
    );
  }
};

/** What a call left that was killed; one that still writes has touched its file a moment ago. */
const sweep = (folder: string): void => {
  for (const name of readdirSync(folder)) {
    if (!UNFINISHED.test(name)) continue;
    const path = join(folder, name);
    const touched = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - touched > UNFINISHED_MS) rmSync(path, { force: true });
  }
};

/** What is only in the file must not be thrown away with it. */
const remedyOf = (rows: readonly Row[]): string =>
  rows.some(([, , body]) => body === null)
    ? 'Keep the file, as others of its bodies are nowhere else, and put a good copy into its place.'
    : 'Run `headgate verify --database`; if the log is whole, take the file away and call this again.';

/** Writes the file unless it is there; throws `ArchiveError` unless it then holds each body that the log has the hash of. */
const keep = async (folder: string, segment: number, rows: readonly Row[]): Promise<boolean> => {
  const path = join(folder, fileNameOf(segment));
  const isNew = !existsSync(path);
  if (isNew) {
    const elsewhere = rows.find(([, , body]) => body === null);
    if (elsewhere !== undefined)
      throw new ArchiveError(
        `Event ${elsewhere[0]} was archived before, and ${path} is not there: name the folder that has it, or put the file back.`,
      );
    writeWhole(folder, fileNameOf(segment), packSegment(rows.map(([, , body]) => body ?? '')));
  }
  // Read again from the disk: nothing is given up for a file that cannot give it back.
  const written = new Archive(folder, 'name with --to');
  for (const [position, leaf, body] of rows) {
    const line = await written.lineOf(Number(position));
    if (line === undefined || !leafHash(line).equals(leaf) || (body !== null && body !== line))
      throw new ArchiveError(
        `${path} does not hold event ${position} as the log has the hash of it: nothing more was taken out of the database. ${remedyOf(rows)}`,
      );
  }
  return isNew;
};

/** Streams to which something was added later are read by whoever decides, again and again: their bodies stay at hand. */
const EMPTY = `
  with kept as (
    select position, stream_id, length(body) as characters from event_store.events
    where position between $1 and $2 and body is not null
  ), resting as (
    select stream_id from (select distinct stream_id from kept) stream
    where (select position from event_store.events last where last.stream_id = stream.stream_id
           order by stream_version desc limit 1) <= $3
  ), emptied as (
    update event_store.events e set body = null
    from kept join resting using (stream_id) where e.position = kept.position
    returning kept.characters
  )
  select count(*)::integer as emptied, coalesce(sum(characters), 0)::bigint as characters from emptied`;

/**
 * Takes the bodies of old events out of the database into files, once they are sealed and on disk. Their places, hashes
 * and the tree over them stay. Can be stopped at any moment and called again: what is done is found. Needs the owner of
 * the database. Throws `ArchiveError`.
 */
export const archiveLog = async (
  connection: Connection,
  { folder, before, onProgress }: ArchiveOptions,
): Promise<ArchiveReport> => {
  const files = await dueSegments(connection, before);
  const upTo = files * SEGMENT;
  let [written, emptied, characters] = [0, 0, 0];
  for (let segment = 0; segment < files; segment += 1) {
    if (await keep(folder, segment, await readRows(connection, segment))) written += 1;
    const { rows } = await connection.query<{ emptied: number; characters: string | number }>(EMPTY, [
      firstOf(segment),
      lastOf(segment),
      upTo,
    ]);
    emptied += rows[0]?.emptied ?? 0;
    characters += Number(rows[0]?.characters ?? 0);
    onProgress(lastOf(segment), upTo);
  }
  sweep(folder);
  return { upTo, files, written, emptied, characters };
};
