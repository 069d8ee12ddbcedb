import type { Pool } from 'pg';
import type {
  Arm,
  RolloutTotals,
  SliceActivation,
  TargetSeen,
  Traffic,
  Violation,
  ViolationCount,
  ViolationOptions,
  ViolationReport,
} from './evidence-store.js';
import type { BigInteger } from './sql.js';
import { toNumber, toOptionalNumber } from './sql.js';

type SliceRow = { readonly target: string; readonly model: string };

export const readTotals = async (pool: Pool, rollout: string): Promise<RolloutTotals> => {
  type Requests = SliceRow & {
    readonly candidate: BigInteger;
    readonly control: BigInteger;
    readonly unassigned: BigInteger;
  };
  type Bad = SliceRow & { readonly signal: string; readonly candidate: BigInteger; readonly control: BigInteger };
  const [requests, bad] = await Promise.all([
    pool.query<Requests>(
      `select target, model,
         coalesce(sum(requests) filter (where arm = 'candidate'), 0)::bigint as candidate,
         coalesce(sum(requests) filter (where arm = 'control'), 0)::bigint as control,
         sum(unassigned)::bigint as unassigned
       from evidence.arms where rollout = $1 and share_bp > 0
       group by target, model order by target, model`,
      [rollout],
    ),
    pool.query<Bad>(
      `select signal, target, model,
         coalesce(sum(bad) filter (where arm = 'candidate'), 0)::bigint as candidate,
         coalesce(sum(bad) filter (where arm = 'control'), 0)::bigint as control
       from evidence.bad_counts where rollout = $1
       group by signal, target, model order by signal, target, model`,
      [rollout],
    ),
  ]);
  return {
    slices: requests.rows.map((row) => ({
      target: row.target,
      model: row.model,
      candidateRequests: toNumber(row.candidate),
      controlRequests: toNumber(row.control),
      unassigned: toNumber(row.unassigned),
    })),
    bad: bad.rows.map((row) => ({
      signal: row.signal,
      target: row.target,
      model: row.model,
      candidateBad: toNumber(row.candidate),
      controlBad: toNumber(row.control),
    })),
  };
};

export const readActivation = async (pool: Pool, rollout: string): Promise<readonly SliceActivation[]> => {
  const { rows } = await pool.query<SliceRow & { readonly units: BigInteger }>(
    `select target, model, count(*) as units from evidence.candidate_units where rollout = $1
     group by target, model order by target, model`,
    [rollout],
  );
  return rows.map((row) => ({ target: row.target, model: row.model, units: toNumber(row.units) }));
};

type CountRow = { readonly target: string; readonly violations: BigInteger };

const countsOf = (rows: readonly CountRow[]): readonly ViolationCount[] =>
  rows.map((row) => ({ target: row.target, violations: toNumber(row.violations) }));

const sumOf = (counts: readonly ViolationCount[]): number => counts.reduce((sum, count) => sum + count.violations, 0);

// Whatever did not run the candidate is control, before the rollout as well as beside it.
const CONTROL_VIOLATIONS = `
  select seen.target, sum(seen.violations)::bigint as violations
  from evidence.rollouts rollout join evidence.violations_seen seen
    on (seen.revisions ->> rollout.config)::integer is distinct from rollout.candidate
  where rollout.rollout = $1 and seen.signal = $2 and seen.last_at >= $3 and seen.minute >= $3::bigint - 60000
    and case when $4::text[] is not null then seen.target = any ($4::text[])
      else exists (select from evidence.arms where arms.rollout = $1 and arms.target = seen.target) end
  group by seen.target order by seen.target`;

type ViolationRow = SliceRow & {
  readonly arm: Arm;
  readonly generation: BigInteger;
  readonly instance: string;
  readonly request: string | null;
  readonly reporter: string;
  readonly violated_at: BigInteger;
};

const violationOf = (row: ViolationRow): Violation => ({
  target: row.target,
  model: row.model,
  arm: row.arm,
  generation: toNumber(row.generation),
  instance: row.instance,
  request: row.request ?? undefined,
  reporter: row.reporter,
  at: toNumber(row.violated_at),
});

export const readViolations = async (
  pool: Pool,
  rollout: string,
  signal: string,
  { lookBackMs, now, targets }: ViolationOptions,
): Promise<ViolationReport> => {
  const only = targets ?? null;
  const [candidate, control, first] = await Promise.all([
    pool.query<CountRow>(
      `select target, sum(violations)::bigint as violations from evidence.violation_counts
       where rollout = $1 and signal = $2 and arm = 'candidate' and ($3::text[] is null or target = any ($3))
       group by target order by target`,
      [rollout, signal, only],
    ),
    pool.query<CountRow>(CONTROL_VIOLATIONS, [rollout, signal, now - lookBackMs, only]),
    pool.query<ViolationRow>(
      `select target, model, arm, generation, instance, request, reporter, violated_at from evidence.violations
       where rollout = $1 and signal = $2 and arm = 'candidate' and ($3::text[] is null or target = any ($3))
       order by arrival limit 1`,
      [rollout, signal, only],
    ),
  ]);
  const candidateByTarget = countsOf(candidate.rows);
  const controlByTarget = countsOf(control.rows);
  const row = first.rows[0];
  return {
    candidate: sumOf(candidateByTarget),
    candidateByTarget,
    controlInLookback: sumOf(controlByTarget),
    controlByTarget,
    first: row === undefined ? undefined : violationOf(row),
  };
};

export const readLastSeen = async (
  pool: Pool,
  rollout: string,
  also: readonly string[],
): Promise<readonly TargetSeen[]> => {
  type Row = { readonly target: string; readonly candidate_at: BigInteger | null; readonly any_at: BigInteger | null };
  const { rows } = await pool.query<Row>(
    `with own as (
       select target, max(last_at) filter (where arm = 'candidate') as candidate_at
       from evidence.arms where rollout = $1 group by target),
     named as (select target from own union select unnest($2::text[]))
     select named.target, seen.last_at as any_at, own.candidate_at
     from named left join own using (target) left join evidence.targets_seen seen using (target)
     order by named.target`,
    [rollout, also],
  );
  return rows.map((row) => ({
    target: row.target,
    candidateAt: toOptionalNumber(row.candidate_at),
    anyAt: toOptionalNumber(row.any_at),
  }));
};

/** A slice that was only just seen is not divided by less than this. */
export const LEAST_SPAN_MS = 1_000;

export const readTraffic = async (
  pool: Pool,
  { now, spanMs }: { readonly now: number; readonly spanMs: number },
): Promise<Traffic> => {
  type Requests = SliceRow & { readonly requests: BigInteger; readonly first_at: BigInteger };
  type Bad = SliceRow & { readonly signal: string; readonly bad: BigInteger };
  const since = now - spanMs;
  const [requests, bad, newest] = await Promise.all([
    pool.query<Requests>(
      `select target, model, sum(requests)::bigint as requests, min(first_at) as first_at from evidence.traffic
       where minute > $1::bigint - 60000 and last_at > $1 and first_at < $2 group by target, model order by target, model`,
      [since, now],
    ),
    pool.query<Bad>(
      `select bad.signal, bad.target, bad.model, sum(bad.bad)::bigint as bad
       from evidence.traffic_bad bad join evidence.traffic served using (target, model, minute)
       where served.minute > $1::bigint - 60000 and served.last_at > $1 and served.first_at < $2
       group by bad.signal, bad.target, bad.model order by bad.signal, bad.target, bad.model`,
      [since, now],
    ),
    pool.query<{ readonly last_at: BigInteger | null }>(
      'select max(last_at) as last_at from evidence.traffic where minute > $1::bigint - 60000 and first_at < $2',
      [since, now],
    ),
  ]);
  // Reports trail what they report: the span ends with the newest of them.
  const end = toOptionalNumber(newest.rows[0]?.last_at ?? null) ?? now;
  const seconds = new Map(
    requests.rows.map((row) => [
      `${row.target} ${row.model}`,
      Math.max(end - toNumber(row.first_at), LEAST_SPAN_MS) / 1_000,
    ]),
  );
  const perSecond = (row: SliceRow, count: BigInteger): number =>
    toNumber(count) / (seconds.get(`${row.target} ${row.model}`) ?? spanMs / 1_000);
  return {
    requests: requests.rows.map((row) => ({
      target: row.target,
      model: row.model,
      requestsPerSecond: perSecond(row, row.requests),
    })),
    bad: bad.rows.map((row) => ({
      signal: row.signal,
      target: row.target,
      model: row.model,
      badPerSecond: perSecond(row, row.bad),
    })),
  };
};
