import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { UnfitSnapshotError, ViewSnapshots, type KeptView } from '#libs/application';
import type { EventStore } from '#libs/kernel';
import type { Pool, PoolClient } from 'pg';

/** One controller writes at a time: an advisory lock of its transaction. */
export const WRITE_LOCK = 0x7669_6577;
const DIGEST_BYTES = 32;
const FAST = 1;

const packed = promisify(gzip);
const unpacked = promisify(gunzip);

type Head = { readonly position: number; readonly leaf: Buffer; readonly fold: string; readonly parts: number };
type Row = Head & { readonly digest: Buffer; readonly leafNow: Buffer | null; readonly head: number };

const HEAD = `
  select s.position, s.leaf, s.fold, s.parts, s.digest, e.leaf as "leafNow",
    coalesce((select max(position) from event_store.events), 0) as head
  from read_models.view_snapshots s left join event_store.events e using (position)
  order by s.position desc limit 1`;

const sha256 = (bytes: Uint8Array | string): Buffer => createHash('sha256').update(bytes).digest();

/** Of the head and the digests of all parts. */
const digestOf = ({ position, leaf, fold, parts }: Head, digests: readonly Buffer[]): Buffer =>
  sha256(Buffer.concat([Buffer.from(JSON.stringify([position, leaf.toString('hex'), fold, parts])), ...digests]));

const damaged = (): UnfitSnapshotError => new UnfitSnapshotError('It is damaged.');

/** The view in PostgreSQL: one row for its head and one for each part, which say what they should be. */
export class PostgresViewSnapshots extends ViewSnapshots {
  readonly #pool: Pool;
  readonly #store: Pick<EventStore, 'readPositions'>;
  readonly #fold: string;

  /** @param fold stands for the code by which the view is folded, packed and unpacked */
  constructor(pool: Pool, store: Pick<EventStore, 'readPositions'>, fold: string) {
    super();
    this.#pool = pool;
    this.#store = store;
    this.#fold = fold;
  }

  override read<T>(use: (kept: KeptView) => Promise<T>): Promise<T | undefined> {
    // Whoever replaces it meanwhile is not seen.
    return this.#inside('begin isolation level repeatable read read only', async (client) => {
      const [row] = (await client.query<Row>(HEAD)).rows;
      if (row === undefined) return undefined;
      if (row.fold !== this.#fold) throw new UnfitSnapshotError('It was folded by another version of Headgate.');
      if (row.position > row.head)
        throw new UnfitSnapshotError(`It is of position ${row.position}, and the log ends at ${row.head}.`);
      if (row.leafNow?.equals(row.leaf) !== true)
        throw new UnfitSnapshotError(`It is of another log: event ${row.position} is another one here.`);
      return use({
        position: row.position,
        parts: partsOf(client, row),
        access: () => this.#access(client, row.position),
      });
    });
  }

  override async write(position: number, parts: Iterable<string>): Promise<boolean> {
    return this.#inside('begin', async (client) => {
      const taken = await client.query<{ taken: boolean }>('select pg_try_advisory_xact_lock($1) as taken', [
        WRITE_LOCK,
      ]);
      if (taken.rows[0]?.taken !== true || (await this.#hasLater(client, position))) return false;
      await client.query('delete from read_models.view_snapshots');
      await client.query('delete from read_models.view_snapshot_parts');
      const digests: Buffer[] = [];
      for (const text of parts) {
        const part = await packed(text, { level: FAST });
        const digest = sha256(part);
        await client.query({
          name: 'view_write_part',
          text: 'insert into read_models.view_snapshot_parts (position, part, state) values ($1, $2, $3)',
          values: [position, digests.length, Buffer.concat([digest, part])],
        });
        digests.push(digest);
      }
      const { rows } = await client.query<{ leaf: Buffer }>('select leaf from event_store.events where position = $1', [
        position,
      ]);
      const leaf = rows[0]?.leaf;
      if (leaf === undefined) throw new Error(`There is no event at position ${position} any more.`);
      const head = { position, leaf, fold: this.#fold, parts: digests.length };
      await client.query(
        'insert into read_models.view_snapshots (position, leaf, fold, parts, digest) values ($1, $2, $3, $4, $5)',
        [position, leaf, head.fold, head.parts, digestOf(head, digests)],
      );
      return true;
    });
  }

  /** One of another build gives way: this one cannot read it. */
  async #hasLater(client: PoolClient, position: number): Promise<boolean> {
    const { rows } = await client.query('select from read_models.view_snapshots where fold = $1 and position >= $2', [
      this.#fold,
      position,
    ]);
    return rows.length > 0;
  }

  async #access(client: PoolClient, position: number) {
    const { rows } = await client.query<{ position: number }>(
      `select position from event_store.events where stream_id like 'access-%' and position <= $1`,
      [position],
    );
    return this.#store.readPositions(rows.map((row) => row.position));
  }

  async #inside<T>(begin: string, what: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let broken = true;
    try {
      await client.query(begin);
      const result = await what(client);
      await client.query('commit');
      broken = false;
      return result;
    } finally {
      // Closing the connection ends the transaction.
      client.release(broken);
    }
  }
}

const partsOf = async function* (client: PoolClient, { digest, ...head }: Row): AsyncGenerator<string> {
  const digests: Buffer[] = [];
  for (let part = 0; part < head.parts; part += 1) {
    const { rows } = await client.query<{ state: Buffer }>({
      name: 'view_read_part',
      text: 'select state from read_models.view_snapshot_parts where position = $1 and part = $2',
      values: [head.position, part],
    });
    const state = rows[0]?.state;
    if (state === undefined) throw damaged();
    const [own, bytes] = [state.subarray(0, DIGEST_BYTES), state.subarray(DIGEST_BYTES)];
    if (!sha256(bytes).equals(own)) throw damaged();
    digests.push(own);
    yield (await unpacked(bytes)).toString();
  }
  if (!digestOf(head, digests).equals(digest)) throw damaged();
};
