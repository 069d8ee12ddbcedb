import type { Pool } from 'pg';
import { byRollout } from './by-rollout.js';
import { UNIT_CAP, type Leftover, type Span, type TargetSeen } from './evidence-store.js';
import { toNumber, toOptionalNumber, type BigInteger } from './sql.js';

const readMeasured = async (
  pool: Pool,
  targets: readonly string[],
): Promise<ReadonlyMap<string, TargetSeen['measured']>> => {
  type Row = {
    readonly target: string;
    readonly signal: string;
    readonly since: BigInteger;
    readonly last_at: BigInteger;
  };
  const { rows } = await pool.query<Row>({
    name: 'evidence_measured',
    text: 'select target, signal, since, last_at from evidence.signals_seen where target = any ($1) order by target, signal',
    values: [targets],
  });
  const measured = new Map<string, Record<string, Span>>();
  for (const { target, signal, since, last_at: until } of rows) {
    const span = { from: toNumber(since), until: toNumber(until) };
    measured.set(target, { ...measured.get(target), [signal]: span });
  }
  return measured;
};

/** When a rollout was seen on its targets, and when anything was on those named beside them. */
export type SightAsked = { readonly rollout: string; readonly also: readonly string[] };

type SightRow = {
  readonly rollout: string;
  readonly target: string;
  readonly candidate_at: BigInteger | null;
  readonly any_at: BigInteger | null;
  readonly flowing_since: BigInteger | null;
  readonly left_requests: BigInteger | null;
  readonly left_units: BigInteger;
  readonly left_first: BigInteger | null;
  readonly left_last: BigInteger | null;
};

const leftoverOf = (row: SightRow): Leftover | undefined =>
  row.left_requests === null || row.left_first === null || row.left_last === null
    ? undefined
    : {
        requests: toNumber(row.left_requests),
        // Counting stops there, and several flushes may have passed it at once.
        units: Math.min(UNIT_CAP, toNumber(row.left_units)),
        firstAt: toNumber(row.left_first),
        lastAt: toNumber(row.left_last),
      };

const SIGHTS = `
  with own as (
    select rollout, target, max(last_at) filter (where arm = 'candidate') as candidate_at
    from evidence.arms where rollout = any ($1::text[]) group by rollout, target
  ), named as (
    select rollout, target from own union select * from unnest($2::text[], $3::text[]))
  select named.rollout, named.target, seen.last_at as any_at, seen.flowing_since, own.candidate_at,
    left_over.requests as left_requests, left_over.first_at as left_first, left_over.last_at as left_last,
    case when left_over.requests is null then 0 else (
      select count(*) from evidence.leftover_units units
      where units.rollout = named.rollout and units.target = named.target) end as left_units
  from named left join own using (rollout, target) left join evidence.targets_seen seen using (target)
    left join evidence.leftovers left_over on left_over.rollout = named.rollout and left_over.target = named.target
  order by named.rollout, named.target`;

/** Sights of many rollouts, which are all different, in their order. */
export const readLastSeen = async (
  pool: Pool,
  asked: readonly SightAsked[],
): Promise<readonly (readonly TargetSeen[])[]> => {
  const also = asked.flatMap(({ rollout, also: targets }) => targets.map((target) => ({ rollout, target })));
  const { rows } = await pool.query<SightRow>({
    name: 'evidence_last_seen',
    text: SIGHTS,
    values: [asked.map(({ rollout }) => rollout), also.map(({ rollout }) => rollout), also.map(({ target }) => target)],
  });
  const measured = await readMeasured(pool, [...new Set(rows.map(({ target }) => target))]);
  const sights = byRollout(rows);
  return asked.map(({ rollout }) =>
    (sights.get(rollout) ?? []).map((row) => ({
      target: row.target,
      candidateAt: toOptionalNumber(row.candidate_at),
      anyAt: toOptionalNumber(row.any_at),
      flowingSince: toOptionalNumber(row.flowing_since),
      leftover: leftoverOf(row),
      measured: measured.get(row.target) ?? {},
    })),
  );
};
