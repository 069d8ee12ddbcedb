import { createHash } from 'node:crypto';
import type { Pool } from 'pg';
import type { LookCell, StoredLook } from './evidence-store.js';
import type { BigInteger } from './sql.js';
import { toNumber } from './sql.js';

type KeptRow = {
  readonly rollout: string;
  readonly look: number;
  /** Null: nothing had arrived. */
  readonly cells: string | null;
  readonly digest: string | null;
};

type LookRow = {
  readonly look: number;
  readonly looked_at: BigInteger;
  readonly cells: string;
  readonly digest: string;
};

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const NOTHING = { cells: [], digest: digestOf('[]') };

const parseCells = (text: string): readonly LookCell[] => JSON.parse(text) as readonly LookCell[];

/** A look to be taken, at a time in epoch milliseconds. */
export type LookAsked = { readonly rollout: string; readonly at: number };

/**
 * Takes what arrived since the last look of each rollout, all in one statement. The row of a rollout's fold is locked
 * first, so looks of one rollout come one after another, and rollouts are locked in one order. A cell without bad
 * outcomes says nothing about a ratio, whatever its requests: it is taken and not kept. The text is RFC 8785's: members
 * stand in alphabetical order, and names are of ASCII.
 */
const FOLD = `
  with asked as (
    select rollout, looked_at from unnest($1::text[], $2::bigint[]) as asked(rollout, looked_at)
  ), counted as (
    insert into evidence.folds as known (rollout, looks, looked_at)
    select rollout, 1, looked_at from asked order by rollout
    on conflict (rollout) do update set looks = known.looks + 1, looked_at = greatest(known.looked_at, excluded.looked_at)
    returning rollout, looks
  ), taken as (
    delete from evidence.pending using counted where pending.rollout = counted.rollout returning pending.*
  ), cell as (
    select rollout, signal, target, model, share_bp, sum(candidate_bad) as candidate_bad, sum(control_bad) as control_bad,
      sum(candidate_requests) as candidate_requests, sum(control_requests) as control_requests
    from taken group by rollout, signal, target, model, share_bp
    having sum(candidate_bad) + sum(control_bad) > 0
  ), seen as (
    select rollout, '[' || string_agg(
      '{"candidateBad":' || candidate_bad || coalesce(',"candidateRequests":' || candidate_requests, '')
      || ',"controlBad":' || control_bad || coalesce(',"controlRequests":' || control_requests, '')
      || ',"model":' || to_json(model) || ',"shareBp":' || share_bp
      || ',"signal":' || to_json(signal) || ',"target":' || to_json(target) || '}',
      ',' order by signal collate "C", target collate "C", model collate "C", share_bp) || ']' as cells
    from cell group by rollout
  ), kept as (
    insert into evidence.looks (rollout, look, looked_at, cells, digest)
    select rollout, looks, looked_at, cells, encode(sha256(convert_to(cells, 'UTF8')), 'hex')
    from seen join counted using (rollout) join asked using (rollout)
    returning rollout, cells, digest
  )
  select rollout, looks as look, cells, digest from counted left join kept using (rollout)`;

/** Takes a look at each of these rollouts, which are all different. */
export const foldLooks = async (pool: Pool, asked: readonly LookAsked[]): Promise<readonly StoredLook[]> => {
  const { rows } = await pool.query<KeptRow>({
    name: 'evidence_fold_looks',
    text: FOLD,
    values: [asked.map(({ rollout }) => rollout), asked.map(({ at }) => at)],
  });
  const taken = new Map(rows.map((row) => [row.rollout, row]));
  return asked.map(({ rollout, at }) => {
    const row = taken.get(rollout);
    if (row === undefined) throw new Error(`The look of rollout ${rollout} could not be counted: try again.`);
    const { look, cells, digest } = row;
    if (cells === null || digest === null) return { rollout, look, at, ...NOTHING };
    return { rollout, look, at, cells: parseCells(cells), digest };
  });
};

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
