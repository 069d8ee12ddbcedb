import type { Pool, PoolClient } from 'pg';
import { coverOf, joinCover, type NodeId, type Range } from '../tree/cover.js';
import { Frontier } from '../tree/frontier.js';
import { checkpointText, parseCheckpoint, type SignedHead } from './checkpoint.js';
import { noteText, verifierOf } from './note.js';
import type { SealKey } from './seal-key.js';

/** Complete subtrees of 2^8 leaves and more are stored; smaller ones are computed from the leaves. */
export const STORED_LEVEL = 8;

export type Database = Pick<Pool | PoolClient, 'query'>;

/** What the tables of the tree hold does not fit together; the message says what. */
export class TreeDamage extends Error {
  override readonly name = 'TreeDamage';
}

type HeadRow = {
  readonly size: number | string;
  readonly root: Buffer;
  readonly signed_at: Date;
  readonly key_id: string;
  readonly signature: Buffer;
  readonly origin: string;
};

const headOf = ({ origin, size, root, signed_at, key_id, signature }: HeadRow): SignedHead => {
  const text = checkpointText({ origin, size: Number(size), root, signedAt: signed_at.toISOString() });
  return parseCheckpoint(noteText(text, { name: origin, id: key_id }, signature.toString('base64')));
};

const HEADS = `select h.size, h.root, h.signed_at, h.key_id, h.signature, k.origin
  from event_store.tree_heads h join event_store.seal_keys k using (key_id)`;

/** Signed heads of more than `after` leaves, the smallest first. */
export const readHeads = async (db: Database, after: number, limit: number): Promise<readonly SignedHead[]> => {
  const { rows } = await db.query<HeadRow>(`${HEADS} where h.size > $1 order by h.size limit $2`, [after, limit]);
  return rows.map(headOf);
};

export const readLastHead = async (db: Database): Promise<SignedHead | undefined> => {
  const { rows } = await db.query<HeadRow>(`${HEADS} order by h.size desc limit 1`);
  return rows.map(headOf)[0];
};

type KeyRow = {
  readonly origin: string;
  readonly public_key: Buffer;
  readonly from_size: number | string;
  readonly made_at: Date;
  readonly statement: string | null;
};

/** The keys of the log in the order in which they took over. */
export const readKeys = async (db: Database): Promise<readonly SealKey[]> => {
  const { rows } = await db.query<KeyRow>(
    'select origin, public_key, from_size, made_at, statement from event_store.seal_keys order by number',
  );
  return rows.map(({ origin, public_key, from_size, made_at, statement }) => ({
    ...verifierOf(origin, public_key),
    fromSize: Number(from_size),
    madeAt: made_at.toISOString(),
    statement,
  }));
};

export const insertKey = async (db: Database, number: number, key: SealKey): Promise<void> => {
  await db.query(
    `insert into event_store.seal_keys (number, key_id, origin, public_key, from_size, made_at, statement)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [number, key.id, key.name, key.publicKey, key.fromSize, key.madeAt, key.statement],
  );
};

type LeafRow = [position: number | string, leaf: Buffer];

/** The leaves after a position, in order. Throws `TreeDamage` where one is missing. */
export const readLeaves = async (db: Database, after: number, limit: number): Promise<readonly Buffer[]> => {
  const { rows } = await db.query<LeafRow>({
    text: 'select position, leaf from event_store.events where position > $1 order by position limit $2',
    values: [after, limit],
    rowMode: 'array',
  });
  for (const [index, [position]] of rows.entries())
    if (Number(position) !== after + index + 1)
      throw new TreeDamage(`The event at position ${after + index + 1} is missing.`);
  return rows.map(([, leaf]) => leaf);
};

const widthOf = ({ level }: NodeId): number => 2 ** level;

const readStored = async (db: Database, ids: readonly NodeId[]): Promise<ReadonlyMap<string, Buffer>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<{ level: number; index: number | string; hash: Buffer }>(
    `select n.level, n.index, n.hash from unnest($1::smallint[], $2::bigint[]) as w(level, index)
     join event_store.tree_nodes n using (level, index)`,
    [ids.map(({ level }) => level), ids.map(({ index }) => index)],
  );
  return new Map(rows.map(({ level, index, hash }) => [`${level}/${index}`, hash]));
};

const readSmall = async (db: Database, ids: readonly NodeId[]): Promise<ReadonlyMap<number, Buffer>> => {
  const positions = ids.flatMap((id) => Array.from({ length: widthOf(id) }, (_, n) => id.index * widthOf(id) + n + 1));
  if (positions.length === 0) return new Map();
  const { rows } = await db.query<LeafRow>({
    text: 'select position, leaf from event_store.events where position = any ($1::bigint[])',
    values: [positions],
    rowMode: 'array',
  });
  return new Map(rows.map(([position, leaf]) => [Number(position), leaf]));
};

const smallHash = (id: NodeId, leaves: ReadonlyMap<number, Buffer>): Buffer => {
  const frontier = new Frontier();
  for (let n = 0; n < widthOf(id); n += 1) {
    const position = id.index * widthOf(id) + n + 1;
    const leaf = leaves.get(position);
    if (leaf === undefined) throw new TreeDamage(`The event at position ${position} is missing.`);
    frontier.append(leaf);
  }
  return frontier.root();
};

/** The roots of complete subtrees, in two queries whatever their number. Throws `TreeDamage` for what is not there. */
export const readNodes = async (db: Database, ids: readonly NodeId[]): Promise<readonly Buffer[]> => {
  const stored = await readStored(
    db,
    ids.filter(({ level }) => level >= STORED_LEVEL),
  );
  const leaves = await readSmall(
    db,
    ids.filter(({ level }) => level < STORED_LEVEL),
  );
  return ids.map((id) => {
    if (id.level < STORED_LEVEL) return smallHash(id, leaves);
    const hash = stored.get(`${id.level}/${id.index}`);
    if (hash !== undefined) return hash;
    const from = id.index * widthOf(id) + 1;
    throw new TreeDamage(`The stored node over positions ${from} to ${from + widthOf(id) - 1} is missing.`);
  });
};

/** The hashes of subtrees of the whole tree, in order: what a proof is made of. */
export const readRanges = async (db: Database, ranges: readonly Range[]): Promise<readonly Buffer[]> => {
  const covers = ranges.map(coverOf);
  const hashes = await readNodes(db, covers.flat());
  let at = 0;
  return covers.map((cover) => {
    const own = hashes.slice(at, at + cover.length);
    at += cover.length;
    return joinCover(own);
  });
};

/** The tree as it was at a size. Throws `TreeDamage`. */
export const readFrontier = async (db: Database, size: number): Promise<Frontier> =>
  Frontier.restored(size, await readNodes(db, coverOf({ start: 0, end: size })), undefined, STORED_LEVEL);
