import { LogTree, type SealingState, type SealKeyView, type StoredBody, type TreeHeadView } from '#libs/kernel';
import type { Pool } from 'pg';
import { bodiesOf, BODY, NO_ARCHIVE, type Archive, type BodyColumns } from '../archive/archive.js';
import type { Range } from '../tree/cover.js';
import { consistencyRanges, inclusionRanges } from '../tree/proofs.js';
import { verifierText } from './note.js';
import { readKeys, readLastHead, readLeaves, readRanges } from './tree-store.js';

const base64 = (hash: Buffer): string => hash.toString('base64');

/** Hashes of proofs that are read at once. */
const RANGES = 500;
const keyOf = ({ start, end }: Range): string => `${start}-${end}`;

/** The tree in PostgreSQL. Proofs take two small queries at any size. */
export class PostgresLogTree extends LogTree {
  constructor(
    private readonly pool: Pool,
    private readonly state: () => SealingState,
    private readonly archive: Archive = NO_ARCHIVE,
  ) {
    super();
  }

  override async head(): Promise<TreeHeadView | undefined> {
    const head = await readLastHead(this.pool);
    if (head === undefined) return undefined;
    const { origin, size, root, signedAt = null, checkpoint, note } = head;
    return { origin, size, root: base64(root), signedAt, keyId: note.signatures[0]?.id ?? '', checkpoint };
  }

  override async keys(): Promise<readonly SealKeyView[]> {
    const keys = await readKeys(this.pool);
    return keys.map(({ fromSize, madeAt, statement, ...key }) => ({
      id: key.id,
      publicKey: verifierText(key),
      fromSize,
      madeAt,
      statement,
    }));
  }

  override sealing(): SealingState {
    return this.state();
  }

  override async inclusion(position: number, size: number) {
    const [leaf] = await readLeaves(this.pool, position - 1, 1);
    if (leaf === undefined) throw new Error(`There is no event at position ${position}.`);
    const proof = await readRanges(this.pool, inclusionRanges(position - 1, size));
    return { leaf: base64(leaf), proof: proof.map(base64) };
  }

  override async consistency(first: number, second: number): Promise<readonly string[]> {
    return (await readRanges(this.pool, consistencyRanges(first, second))).map(base64);
  }

  override async bodies(after: number, limit: number): Promise<readonly StoredBody[]> {
    return this.#stored('position > $1 order by position limit $2', [after, limit]);
  }

  override async bodiesAt(positions: readonly number[]): Promise<readonly StoredBody[]> {
    return this.#stored('position = any ($1::bigint[]) order by position', [positions]);
  }

  async #stored(which: string, values: readonly unknown[]): Promise<readonly StoredBody[]> {
    const { rows } = await this.pool.query<[...BodyColumns, number | string]>({
      text: `select ${BODY}, position from event_store.events where ${which}`,
      values: [...values],
      rowMode: 'array',
    });
    const bodies = await bodiesOf(rows, this.archive);
    return bodies.map((body, n) => ({ position: Number(rows[n]?.[3]), body }));
  }

  override async inclusions(positions: readonly number[], size: number): Promise<readonly (readonly string[])[]> {
    const wanted = positions.map((position) => inclusionRanges(position - 1, size));
    const ranges = new Map(wanted.flat().map((range) => [keyOf(range), range]));
    const all = [...ranges.values()];
    const hashes = new Map<string, string>();
    // Events of one rollout stand close together, so that their proofs have most of their hashes in common.
    for (let at = 0; at < all.length; at += RANGES) {
      const some = all.slice(at, at + RANGES);
      const read = await readRanges(this.pool, some);
      for (const [n, range] of some.entries()) hashes.set(keyOf(range), base64(read[n] as Buffer));
    }
    return wanted.map((path) => path.map((range) => hashes.get(keyOf(range)) as string));
  }
}
