import type { Pool } from 'pg';
import {
  UNIT_CAP,
  type Arm,
  type Assigned,
  type RolloutTotals,
  type SliceActivation,
  type RequestTotals,
  type Traffic,
  type Violation,
  type ViolationGroup,
  type ViolationOptions,
  type ViolationReport,
} from './evidence-store.js';
import { byRollout } from './by-rollout.js';
import type { BigInteger } from './sql.js';
import { toNumber, toOptionalNumber } from './sql.js';

type SliceRow = { readonly target: string; readonly model: string };

type CountsRow = SliceRow & {
  readonly rollout: string;
  readonly candidate: BigInteger;
  readonly control: BigInteger;
};
type ServedRow = CountsRow & { readonly unassigned: BigInteger };
type SignalRow = CountsRow & { readonly signal: string };

const SERVED = `select rollout, target, model,
    coalesce(sum(requests) filter (where arm = 'candidate'), 0)::bigint as candidate,
    coalesce(sum(requests) filter (where arm = 'control'), 0)::bigint as control,
    sum(unassigned)::bigint as unassigned
  from evidence.arms where rollout = any ($1) and share_bp > 0
  group by rollout, target, model order by rollout, target, model`;

const UNMEASURED = `select rollout, signal, target, model,
    coalesce(sum(requests) filter (where arm = 'candidate'), 0)::bigint as candidate,
    coalesce(sum(requests) filter (where arm = 'control'), 0)::bigint as control
  from evidence.unmeasured where rollout = any ($1)
  group by rollout, signal, target, model order by rollout, signal, target, model`;

const SAMPLES = `select rollout, signal, target, model, sum(candidate)::bigint as candidate, sum(control)::bigint as control
  from evidence.samples where rollout = any ($1)
  group by rollout, signal, target, model order by rollout, signal, target, model`;

const requestsOf = ({ target, model, candidate, control }: CountsRow) => ({
  target,
  model,
  candidateRequests: toNumber(candidate),
  controlRequests: toNumber(control),
});

type AssignedRow = CountsRow & { readonly share_bp: number };

/** Of whom it is known on which arm they are: units by their first values of a signal, or requests. */
export type AssignmentsAsked = { readonly rollout: string; readonly signal: string | null };

const ASSIGNED = `
  with asked as (select rollout, signal from unnest($1::text[], $2::text[]) as asked(rollout, signal)), counted as (
    select rollout, target, share_bp, candidate, control
    from asked join evidence.samples using (rollout, signal)
    union all
    select arms.rollout, target, share_bp, case when arm = 'candidate' then requests - unassigned else 0 end,
      case when arm = 'control' then requests - unassigned else 0 end
    from asked join evidence.arms on asked.signal is null and arms.rollout = asked.rollout
    where share_bp between 1 and 9999
  )
  select rollout, target, share_bp, sum(candidate)::bigint as candidate, sum(control)::bigint as control
  from counted group by rollout, target, share_bp order by rollout, target, share_bp`;

/** Units, or requests, by target and share. */
export const readAssignments = async (
  pool: Pool,
  asked: readonly AssignmentsAsked[],
): Promise<readonly (readonly Assigned[])[]> => {
  const { rows } = await pool.query<AssignedRow>({
    name: 'evidence_assignments',
    text: ASSIGNED,
    values: [asked.map(({ rollout }) => rollout), asked.map(({ signal }) => signal)],
  });
  const assigned = byRollout(rows);
  return asked.map(({ rollout }) =>
    (assigned.get(rollout) ?? []).map((row) => ({
      target: row.target,
      shareBp: row.share_bp,
      candidate: toNumber(row.candidate),
      control: toNumber(row.control),
    })),
  );
};

/** Requests of many rollouts, in their order. */
export const readRequests = async (pool: Pool, rollouts: readonly string[]): Promise<readonly RequestTotals[]> => {
  const [served, unmeasured, sampled] = await Promise.all([
    pool.query<ServedRow>({ name: 'evidence_requests', text: SERVED, values: [rollouts] }),
    pool.query<SignalRow>({ name: 'evidence_unmeasured', text: UNMEASURED, values: [rollouts] }),
    pool.query<SignalRow>({ name: 'evidence_samples', text: SAMPLES, values: [rollouts] }),
  ]);
  const samples = byRollout(sampled.rows);
  const slices = byRollout(served.rows);
  const blind = byRollout(unmeasured.rows);
  return rollouts.map((rollout) => ({
    slices: (slices.get(rollout) ?? []).map((row) => ({ ...requestsOf(row), unassigned: toNumber(row.unassigned) })),
    unmeasured: (blind.get(rollout) ?? []).map((row) => ({ signal: row.signal, ...requestsOf(row) })),
    samples: (samples.get(rollout) ?? []).map(({ signal, target, model, candidate, control }) => ({
      signal,
      target,
      model,
      candidate: toNumber(candidate),
      control: toNumber(control),
    })),
  }));
};

export const readTotals = async (pool: Pool, rollout: string): Promise<RolloutTotals> => {
  const [[requests], bad] = await Promise.all([
    readRequests(pool, [rollout]),
    pool.query<SignalRow>(
      `select signal, target, model,
         coalesce(sum(bad) filter (where arm = 'candidate'), 0)::bigint as candidate,
         coalesce(sum(bad) filter (where arm = 'control'), 0)::bigint as control
       from evidence.bad_counts where rollout = $1
       group by signal, target, model order by signal, target, model`,
      [rollout],
    ),
  ]);
  return {
    slices: requests?.slices ?? [],
    bad: bad.rows.map((row) => ({
      signal: row.signal,
      target: row.target,
      model: row.model,
      candidateBad: toNumber(row.candidate),
      controlBad: toNumber(row.control),
    })),
    unmeasured: requests?.unmeasured ?? [],
    samples: requests?.samples ?? [],
  };
};

type UnitsRow = SliceRow & { readonly rollout: string; readonly units: BigInteger };

/** Distinct units on the candidate of many rollouts, in their order. */
export const readActivation = async (
  pool: Pool,
  rollouts: readonly string[],
): Promise<readonly (readonly SliceActivation[])[]> => {
  const { rows } = await pool.query<UnitsRow>({
    name: 'evidence_activation',
    text: `select rollout, target, model, units from evidence.unit_counts where rollout = any ($1)
       order by rollout, target, model`,
    values: [[...new Set(rollouts)]],
  });
  const units = byRollout(rows);
  return rollouts.map((rollout) =>
    (units.get(rollout) ?? []).map((row) => ({
      target: row.target,
      model: row.model,
      // Counting stops there, and several flushes may have passed it at once.
      units: Math.min(UNIT_CAP, toNumber(row.units)),
    })),
  );
};

/** Of each signal, whether anything ever violated it: where nothing did, there is nothing to count. */
export const readViolated = async (pool: Pool, signals: readonly string[]): Promise<readonly boolean[]> => {
  const { rows } = await pool.query<{ readonly signal: string }>({
    name: 'evidence_violated',
    text: `select signal from unnest($1::text[]) as asked(signal)
       where exists (select from evidence.violations_seen seen where seen.signal = asked.signal)`,
    values: [[...new Set(signals)]],
  });
  const violated = new Set(rows.map(({ signal }) => signal));
  return signals.map((signal) => violated.has(signal));
};

type GroupRow = {
  readonly target: string;
  readonly revisions: Readonly<Record<string, number>>;
  readonly violations: BigInteger;
};

const groupsOf = (rows: readonly GroupRow[]): readonly ViolationGroup[] =>
  rows.map(({ target, revisions, violations }) => ({ target, revisions, violations: toNumber(violations) }));

// Before the rollout as well as beside it. Which of it is control, only a reader of the log can tell.
const ELSEWHERE = `
  select seen.target, seen.revisions, sum(seen.violations)::bigint as violations
  from evidence.rollouts rollout join evidence.violations_seen seen
    on (seen.revisions ->> rollout.config)::integer is distinct from rollout.candidate
  where rollout.rollout = $1 and seen.signal = $2 and seen.last_at >= $3 and seen.minute >= $3::bigint - 60000
    and case when $4::text[] is not null then seen.target = any ($4::text[])
      else exists (select from evidence.arms where arms.rollout = $1 and arms.target = seen.target) end
  group by seen.target, seen.revisions order by seen.target, seen.revisions`;

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
  const [candidate, elsewhere, first] = await Promise.all([
    pool.query<GroupRow>(
      `select target, revisions, sum(violations)::bigint as violations from evidence.violation_counts
       where rollout = $1 and signal = $2 and arm = 'candidate' and ($3::text[] is null or target = any ($3))
       group by target, revisions order by target, revisions`,
      [rollout, signal, only],
    ),
    pool.query<GroupRow>(ELSEWHERE, [rollout, signal, now - lookBackMs, only]),
    pool.query<ViolationRow>(
      `select target, model, arm, generation, instance, request, reporter, violated_at from evidence.violations
       where rollout = $1 and signal = $2 and arm = 'candidate' and ($3::text[] is null or target = any ($3))
       order by arrival limit 1`,
      [rollout, signal, only],
    ),
  ]);
  const row = first.rows[0];
  return {
    candidate: groupsOf(candidate.rows),
    elsewhere: groupsOf(elsewhere.rows),
    first: row === undefined ? undefined : violationOf(row),
  };
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
