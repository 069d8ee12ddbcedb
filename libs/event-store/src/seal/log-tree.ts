import { LogTree, type SealingState, type SealKeyView, type StoredBody, type TreeHeadView } from '#libs/kernel';
import type { Pool } from 'pg';
import { consistencyRanges, inclusionRanges } from '../tree/proofs.js';
import { verifierText } from './note.js';
import { readKeys, readLastHead, readLeaves, readRanges } from './tree-store.js';

const base64 = (hash: Buffer): string => hash.toString('base64');

/** The tree in PostgreSQL. Proofs take two small queries at any size. */
export class PostgresLogTree extends LogTree {
  constructor(
    private readonly pool: Pool,
    private readonly state: () => SealingState,
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
    const { rows } = await this.pool.query<{ position: number | string; body: string }>(
      'select position, body from event_store.events where position > $1 order by position limit $2',
      [after, limit],
    );
    return rows.map(({ position, body }) => ({ position: Number(position), body }));
  }
}
