import { hash } from 'node:crypto';
import type { Pool } from 'pg';
import type { LookCell, StoredLook, TakenLook } from './evidence-store.js';
import type { BigInteger } from './sql.js';
import { toNumber } from './sql.js';

type Names = readonly [target: string, model: string];

type TakenRow = {
  readonly rollout: string;
  readonly look: number;
  /** Null: nothing had arrived. */
  readonly cells: string | null;
  readonly digest: string | null;
  readonly served: readonly (readonly [...Names, candidate: number, control: number, unassigned: number])[] | null;
  readonly unmeasured: readonly (readonly [signal: string, ...Names, candidate: number, control: number])[] | null;
  readonly samples: readonly (readonly [signal: string, ...Names, candidate: number, control: number])[] | null;
};

type LookRow = {
  readonly rollout: string;
  readonly look: number;
  readonly looked_at: BigInteger;
  readonly cells: string;
  readonly digest: string;
  readonly stands_for: number;
  /** Null: it is as it was folded. */
  readonly chain: string | null;
  readonly compacted_at: BigInteger | null;
};

const digestOf = (text: string): string => hash('sha256', text);

/** Fewer hash buckets tell too little of how they differ. */
export const LEAST_BUCKETS = 8;

const NOTHING = { cells: [], digest: digestOf('[]') };

const parseCells = (text: string): readonly LookCell[] => JSON.parse(text) as readonly LookCell[];

/** A look to be taken, at a time in epoch milliseconds. */
export type LookAsked = { readonly rollout: string; readonly at: number };

/**
 * Takes what arrived since the last look of each rollout, all in one statement. The row of a rollout's fold is locked
 * first, so looks of one rollout come one after another, and rollouts are locked in one order. A cell without bad
 * outcomes says nothing about a ratio, whatever its requests: it is taken and not kept. Outcomes that came later than
 * their requests are cells of their own, beside all requests of their share so far. The text is RFC 8785's: members stand
 * in alphabetical order, and names are of ASCII. Requests are read by the same statement, and so as of the moment of the
 * look.
 *
 * The spread over hash buckets is Pearson's statistic of control's counts so far, over its degrees of freedom: the usual
 * estimate of how many times the variance of bad outcomes is that of independent ones (McCullagh and Nelder, Generalized
 * Linear Models, 4.5). Below 8 buckets it says too little, and less than 1 is chance.
 */
const TAKE = `
  with asked as (
    select rollout, looked_at from unnest($1::text[], $2::bigint[]) as asked(rollout, looked_at)
  ), counted as (
    insert into evidence.folds as known (rollout, looks, looked_at)
    select rollout, 1, looked_at from asked order by rollout
    on conflict (rollout) do update set looks = known.looks + 1, looked_at = greatest(known.looked_at, excluded.looked_at)
    returning rollout, looks
  ), taken as (
    delete from evidence.pending using counted where pending.rollout = counted.rollout returning pending.*
  ), bad as (
    select rollout, signal, target, model, share_bp, late, sum(candidate_bad) as candidate_bad, sum(control_bad) as control_bad,
      sum(candidate_requests) as candidate_requests, sum(control_requests) as control_requests
    from taken group by rollout, signal, target, model, share_bp, late
    having sum(candidate_bad) + sum(control_bad) <> 0
  ), taken_values as (
    delete from evidence.pending_values using counted where pending_values.rollout = counted.rollout
    returning pending_values.*
  ), bin as (
    select rollout, signal, target, model, share_bp, value, sum(candidate) as candidate, sum(control) as control
    from taken_values group by rollout, signal, target, model, share_bp, value
  ), bucket as (
    select rollout, signal, target, model, bad, requests,
      sum(bad) over slice / sum(requests) over slice as rate, count(*) over slice as buckets
    from evidence.buckets where rollout = any ($1) and requests > 0
    window slice as (partition by rollout, signal, target, model)
  ), spread as (
    select rollout, signal, target, model, trim_scale(round(greatest(1,
      sum((bad - requests * rate) ^ 2 / (requests * rate * (1 - rate))) / (max(buckets) - 1)), 2)) as dispersion
    from bucket where buckets >= ${LEAST_BUCKETS} and rate > 0 and rate < 1 group by rollout, signal, target, model
  ), taken_instances as (
    delete from evidence.pending_instances using counted where pending_instances.rollout = counted.rollout
    returning pending_instances.*
  ), instance as (
    select rollout, signal, target, model, share_bp, instance, place, kind, max(drawn) as drawn, sum(count) as count,
      trim_scale(sum(sum)) as sum
    from taken_instances group by rollout, signal, target, model, share_bp, instance, place, kind
  ), cell as (
    select bad.rollout, bad.signal, bad.target, bad.model, bad.share_bp, bad.late,
      '{"candidateBad":' || candidate_bad
      || case when late then ',"candidateServed":' || served.candidate
        else coalesce(',"candidateRequests":' || candidate_requests, '') end
      || ',"controlBad":' || control_bad
      || case when late then ',"controlServed":' || served.control
        else coalesce(',"controlRequests":' || control_requests, '') end
      || coalesce(',"dispersion":' || dispersion, '') as numbers
    from bad left join spread using (rollout, signal, target, model) cross join lateral (
      select coalesce(sum(requests) filter (where arm = 'candidate'), 0) as candidate,
        coalesce(sum(requests) filter (where arm = 'control'), 0) as control
      from (
        select arm, requests from evidence.arms
        where bad.late and (rollout, target, model, share_bp) = (bad.rollout, bad.target, bad.model, bad.share_bp)
        union all
        select arm, -requests from evidence.unmeasured
        where bad.late and (rollout, signal, target, model, share_bp)
          = (bad.rollout, bad.signal, bad.target, bad.model, bad.share_bp)
      ) measured
    ) served
    union all
    select rollout, signal, target, model, share_bp, false,
      '{"bins":[' || string_agg('[' || value || ',' || candidate || ',' || control || ']', ',' order by value)
      || '],"candidateBad":0,"controlBad":0' as numbers
    from bin group by rollout, signal, target, model, share_bp
    union all
    select rollout, signal, target, model, share_bp, false,
      '{"candidateBad":' || coalesce(sum(sum) filter (where kind = 'bad' and place in ('chosen', 'kept')), 0)
      || ',"controlBad":' || coalesce(sum(sum) filter (where kind = 'bad' and place in ('spared', 'late')), 0)
      || ',"drawn":' || max(drawn) || ',"instances":['
      || string_agg('[' || to_json(instance) || ',"' || place || '",' || count || ',' || sum || ']', ','
        order by instance collate "C", place collate "C") || ']' as numbers
    from instance group by rollout, signal, target, model, share_bp
  ), seen as (
    select rollout, '[' || string_agg(
      numbers || ',"model":' || to_json(model) || ',"shareBp":' || share_bp
      || ',"signal":' || to_json(signal) || ',"target":' || to_json(target) || '}',
      ',' order by signal collate "C", target collate "C", model collate "C", share_bp, late) || ']' as cells
    from cell group by rollout
  ), kept as (
    insert into evidence.looks (rollout, look, looked_at, cells, digest)
    select rollout, looks, looked_at, cells, encode(sha256(convert_to(cells, 'UTF8')), 'hex')
    from seen join counted using (rollout) join asked using (rollout)
    returning rollout, cells, digest
  ), arm as (
    select rollout, target, model, coalesce(sum(requests) filter (where arm = 'candidate'), 0) as candidate,
      coalesce(sum(requests) filter (where arm = 'control'), 0) as control, sum(unassigned) as unassigned
    from evidence.arms where rollout = any ($1) and share_bp > 0 group by rollout, target, model
  ), served as (
    select rollout, json_agg(json_build_array(target, model, candidate, control, unassigned) order by target, model)
      as served
    from arm group by rollout
  ), blind as (
    select rollout, signal, target, model, coalesce(sum(requests) filter (where arm = 'candidate'), 0) as candidate,
      coalesce(sum(requests) filter (where arm = 'control'), 0) as control
    from evidence.unmeasured where rollout = any ($1) group by rollout, signal, target, model
  ), unmeasured as (
    select rollout, json_agg(json_build_array(signal, target, model, candidate, control) order by signal, target, model)
      as unmeasured
    from blind group by rollout
  ), sample as (
    select rollout, signal, target, model, sum(candidate) as candidate, sum(control) as control
    from evidence.samples where rollout = any ($1) group by rollout, signal, target, model
  ), sampled as (
    select rollout, json_agg(json_build_array(signal, target, model, candidate, control) order by signal, target, model)
      as samples
    from sample group by rollout
  )
  select rollout, looks as look, cells, digest, served, unmeasured, samples
  from counted left join kept using (rollout) left join served using (rollout) left join unmeasured using (rollout)
    left join sampled using (rollout)`;

const requestsOf = ({ served, unmeasured, samples }: TakenRow): TakenLook['requests'] => ({
  slices: (served ?? []).map(([target, model, candidate, control, unassigned]) => ({
    target,
    model,
    candidateRequests: toNumber(candidate),
    controlRequests: toNumber(control),
    unassigned: toNumber(unassigned),
  })),
  unmeasured: (unmeasured ?? []).map(([signal, target, model, candidate, control]) => ({
    signal,
    target,
    model,
    candidateRequests: toNumber(candidate),
    controlRequests: toNumber(control),
  })),
  samples: (samples ?? []).map(([signal, target, model, candidate, control]) => ({
    signal,
    target,
    model,
    candidate: toNumber(candidate),
    control: toNumber(control),
  })),
});

/** Takes a look at each of these rollouts, which are all different. */
export const takeLooks = async (pool: Pool, asked: readonly LookAsked[]): Promise<readonly TakenLook[]> => {
  const { rows } = await pool.query<TakenRow>({
    name: 'evidence_take_looks',
    text: TAKE,
    values: [asked.map(({ rollout }) => rollout), asked.map(({ at }) => at)],
  });
  const taken = new Map(rows.map((row) => [row.rollout, row]));
  return asked.map(({ rollout, at }) => {
    const row = taken.get(rollout);
    if (row === undefined) throw new Error(`The look of rollout ${rollout} could not be counted: try again.`);
    const { look, cells, digest } = row;
    const kept = cells === null || digest === null ? NOTHING : { cells: parseCells(cells), digest };
    return { look: { rollout, look, at, ...kept }, requests: requestsOf(row) };
  });
};

/** Looks of a rollout after a number; all of them, or `most` at most. */
export type LooksAsked = { readonly rollout: string; readonly after: number; readonly most: number | null };

/** A stored look is not what was folded once. */
export class AlteredLookError extends Error {
  override readonly name = 'AlteredLookError';

  constructor(rollout: string, look: number) {
    super(`Look ${look} of rollout ${rollout} was altered: its digest does not fit. Restore it from a backup.`);
  }
}

const storedLook = (row: LookRow): StoredLook => {
  const { rollout, look, looked_at: at, cells, digest, chain, stands_for: looks } = row;
  if (digestOf(cells) !== digest) throw new AlteredLookError(rollout, look);
  const stored = { rollout, look, at: toNumber(at), cells: parseCells(cells), digest };
  return chain === null ? stored : { ...stored, compacted: { at: Number(row.compacted_at ?? 0), looks, chain } };
};

/** The stored looks of these rollouts, which are all different. */
export const readLooks = async (
  pool: Pick<Pool, 'query'>,
  asked: readonly LooksAsked[],
): Promise<readonly (readonly StoredLook[])[]> => {
  const { rows } = await pool.query<LookRow>({
    name: 'evidence_read_looks',
    text: `select kept.rollout, look, kept.looked_at, cells, digest, stands_for, chain, compacted_at
      from unnest($1::text[], $2::integer[], $3::integer[]) as asked(rollout, after, most) cross join lateral (
        select * from evidence.looks where looks.rollout = asked.rollout and look > after order by look limit most
      ) kept left join evidence.folds on folds.rollout = kept.rollout
      order by kept.rollout, look`,
    values: [asked.map(({ rollout }) => rollout), asked.map(({ after }) => after), asked.map(({ most }) => most)],
  });
  const looks = new Map(asked.map(({ rollout }) => [rollout, [] as StoredLook[]]));
  for (const row of rows) looks.get(row.rollout)?.push(storedLook(row));
  return asked.map(({ rollout }) => looks.get(rollout) ?? []);
};

export const lookCount = async (pool: Pool, rollout: string): Promise<number> => {
  const { rows } = await pool.query<{ looks: number }>('select looks from evidence.folds where rollout = $1', [
    rollout,
  ]);
  return rows[0]?.looks ?? 0;
};
