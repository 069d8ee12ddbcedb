import { createHash } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import type { LookCell, StoredLook } from './evidence-store.js';
import type { BigInteger } from './sql.js';
import { inTransaction, toNumber } from './sql.js';

type TakenRow = {
  readonly signal: string;
  readonly target: string;
  readonly model: string;
  readonly share_bp: number;
  readonly candidate_bad: BigInteger;
  readonly control_bad: BigInteger;
  readonly candidate_requests: BigInteger | null;
  readonly control_requests: BigInteger | null;
};

type LookRow = {
  readonly look: number;
  readonly looked_at: BigInteger;
  readonly cells: string;
  readonly digest: string;
};

const cellOf = (row: TakenRow): LookCell => ({
  candidateBad: toNumber(row.candidate_bad),
  ...(row.candidate_requests === null ? {} : { candidateRequests: toNumber(row.candidate_requests) }),
  controlBad: toNumber(row.control_bad),
  ...(row.control_requests === null ? {} : { controlRequests: toNumber(row.control_requests) }),
  model: row.model,
  shareBp: row.share_bp,
  signal: row.signal,
  target: row.target,
});

export const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export const inOrder = (a: LookCell, b: LookCell): number =>
  compare(a.signal, b.signal) || compare(a.target, b.target) || compare(a.model, b.model) || a.shareBp - b.shareBp;

/** The order of the members is RFC 8785's because `cellOf` writes them in alphabetical order. */
export const canonical = (cells: readonly LookCell[]): string => JSON.stringify(cells);

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const parseCells = (text: string): readonly LookCell[] => JSON.parse(text) as readonly LookCell[];

const countLook = async (client: PoolClient, rollout: string, at: number): Promise<number> => {
  const { rows } = await client.query<{ looks: number }>(
    `insert into evidence.folds as known (rollout, looks, looked_at) values ($1, 1, $2)
     on conflict (rollout) do update set looks = known.looks + 1, looked_at = greatest(known.looked_at, excluded.looked_at)
     returning looks`,
    [rollout, at],
  );
  const looks = rows[0]?.looks;
  if (looks === undefined) throw new Error(`The look of rollout ${rollout} could not be counted: try again.`);
  return looks;
};

/** A cell without bad outcomes says nothing about a ratio, whatever its requests: it is taken and not kept. */
const takePending = async (client: PoolClient, rollout: string): Promise<readonly LookCell[]> => {
  const { rows } = await client.query<TakenRow>(
    `with taken as (delete from evidence.pending where rollout = $1 returning *)
     select signal, target, model, share_bp, sum(candidate_bad)::bigint as candidate_bad,
       sum(control_bad)::bigint as control_bad, sum(candidate_requests)::bigint as candidate_requests,
       sum(control_requests)::bigint as control_requests
     from taken group by signal, target, model, share_bp
     having sum(candidate_bad) + sum(control_bad) > 0`,
    [rollout],
  );
  return rows.map(cellOf).toSorted(inOrder);
};

/** Takes what arrived since the last look. The fold's row is locked, so looks of one rollout come one after another. */
export const foldLook = (pool: Pool, rollout: string, at: number): Promise<StoredLook> =>
  inTransaction(pool, async (client) => {
    const look = await countLook(client, rollout, at);
    const cells = await takePending(client, rollout);
    const text = canonical(cells);
    const digest = digestOf(text);
    if (cells.length > 0)
      await client.query(
        'insert into evidence.looks (rollout, look, looked_at, cells, digest) values ($1, $2, $3, $4, $5)',
        [rollout, look, at, text, digest],
      );
    return { rollout, look, at, cells, digest };
  });

export const readLooks = async (pool: Pool, rollout: string, afterLook: number): Promise<readonly StoredLook[]> => {
  const { rows } = await pool.query<LookRow>(
    'select look, looked_at, cells, digest from evidence.looks where rollout = $1 and look > $2 order by look',
    [rollout, afterLook],
  );
  return rows.map((row) => {
    if (digestOf(row.cells) !== row.digest)
      throw new Error(
        `Look ${row.look} of rollout ${rollout} was altered: its digest does not fit. Restore it from a backup.`,
      );
    return { rollout, look: row.look, at: toNumber(row.looked_at), cells: parseCells(row.cells), digest: row.digest };
  });
};

export const lookCount = async (pool: Pool, rollout: string): Promise<number> => {
  const { rows } = await pool.query<{ looks: number }>('select looks from evidence.folds where rollout = $1', [
    rollout,
  ]);
  return rows[0]?.looks ?? 0;
};
