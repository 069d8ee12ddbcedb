import type { Client, PoolClient } from 'pg';
import { NO_ARCHIVE, type Archive } from '../archive/archive.js';
import { readHeads, readKeys } from '../seal/tree-store.js';
import type { SealKey } from '../seal/seal-key.js';
import type { ComputedNode, EventColumns, LogVerifier } from './log-verifier.js';
import type { EvidenceItem } from './sources.js';

const PAGE = 2_000;
const HEADS = 500;

type Connection = Pick<Client | PoolClient, 'query'>;
type Row = [
  position: string | number,
  stream: string,
  version: number,
  recordedAt: Date,
  body: string | null,
  leaf: Buffer,
];

/** The keys that the database itself holds. */
export const databaseKeys = (connection: Connection): Promise<readonly SealKey[]> => readKeys(connection);

/** The heads that the database itself holds, as a source that proves nothing by itself. */
export const databaseHeads = async function* (connection: Connection): AsyncGenerator<EvidenceItem> {
  for (let after = -1; ;) {
    const heads = await readHeads(connection, after, HEADS);
    for (const head of heads) yield { head: { ...head, from: 'the database', outside: false } };
    after = heads.at(-1)?.size ?? after;
    if (heads.length < HEADS) return;
  }
};

const columnsOf = ([position, streamId, streamVersion, recordedAt, , leaf]: Row): EventColumns => ({
  position: Number(position),
  streamId,
  streamVersion,
  recordedAt: recordedAt.getTime(),
  leaf: leaf.toString('latin1'),
});

/** Line feeds cannot be in a canonical body; in an altered one they must not make two of it. */
const lineOf = (body: string): string => `${body.replaceAll('\n', '\u0000')}\n`;

/** Reads archived bodies. One that cannot be unpacked is empty; of each file the first such is noted. */
const archivedBodies = (archive: Archive, notes: string[]): ((position: number) => Promise<string>) => {
  const damaged = new Set<string>();
  return async (position) => {
    const body = await archive.lineOf(position);
    const path = archive.pathOf(position);
    if (body === undefined && !damaged.has(path)) {
      damaged.add(path);
      notes.push(`${path} cannot be unpacked where event ${position} stands: put back a copy of it, and verify again.`);
    }
    return body ?? '';
  };
};

const linesOf = async (rows: readonly Row[], archivedBody: (position: number) => Promise<string>): Promise<string> => {
  let lines = '';
  for (const [position, , , , body] of rows) lines += lineOf(body ?? (await archivedBody(Number(position))));
  return lines;
};

/**
 * Gives all events of a database to a verifier, with their columns, and compares the stored nodes of the tree. The
 * connection should be inside one read-only transaction that sees one moment. Throws `ArchiveError` where the file of an
 * archived body is not there; what is damaged in it is a fault.
 */
export const verifyDatabase = async (
  connection: Connection,
  verifier: LogVerifier,
  onProgress: (position: number) => void = () => undefined,
  archive: Archive = NO_ARCHIVE,
): Promise<void> => {
  const { rows: heads } = await connection.query<{ size: string | number | null }>(
    'select max(size) as size from event_store.tree_heads',
  );
  const sealed = Number(heads[0]?.size ?? 0);
  const archivedBody = archivedBodies(archive, verifier.notes);
  let nodesFit = true;
  for (let after: number | string = Number.MIN_SAFE_INTEGER; ;) {
    const { rows }: { rows: Row[] } = await connection.query<Row>({
      text: `select position, stream_id, stream_version, recorded_at, body, leaf from event_store.events
             where position > $1 order by position limit $2`,
      values: [after, PAGE],
      rowMode: 'array',
    });
    const last = rows.at(-1);
    if (last === undefined) return;
    const bytes = Buffer.from(await linesOf(rows, archivedBody));
    await verifier.take(bytes, bytes.length, rows.map(columnsOf));
    nodesFit = nodesFit && (await compareNodes(connection, verifier, verifier.takeNodes(), sealed));
    [after] = last;
    onProgress(Number(after));
  }
};

/** False after the first that does not fit: all above it do not either. */
const compareNodes = async (
  connection: Connection,
  verifier: LogVerifier,
  computed: readonly ComputedNode[],
  sealed: number,
): Promise<boolean> => {
  const due = computed.filter(({ level, index }) => (index + 1) * 2 ** level <= sealed);
  if (due.length === 0) return true;
  const { rows } = await connection.query<{ hash: Buffer | null }>(
    `select n.hash from unnest($1::smallint[], $2::bigint[]) with ordinality as w(level, index, n_th)
     left join event_store.tree_nodes n on n.level = w.level and n.index = w.index order by w.n_th`,
    [due.map(({ level }) => level), due.map(({ index }) => index)],
  );
  const wrong = due.findIndex(({ hash }, n) => rows[n]?.hash?.toString('latin1') !== hash);
  const node = due[wrong];
  if (node === undefined) return true;
  const from = node.index * 2 ** node.level + 1;
  const what = rows[wrong]?.hash === null ? 'is missing' : 'does not fit them';
  verifier.faults.add({
    kind: 'node',
    from,
    to: from + 2 ** node.level - 1,
    detail: `the stored node of the tree over these events ${what}`,
  });
  return false;
};
