import { SILENCE_MS, TOUCHING_MS } from './covered.js';

// What a flush writes. Rows come as one JSON text, or as a column each where there are many, in the order of their keys.

export const TRAFFIC = `
  insert into evidence.traffic as known (target, model, minute, requests, first_at, last_at)
  select target, model, minute, requests, "firstAt", "lastAt" from json_to_recordset($1::json)
    as x(target text, model text, minute bigint, requests bigint, "firstAt" bigint, "lastAt" bigint)
  on conflict (target, model, minute) do update set
    requests = known.requests + excluded.requests,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)`;

export const TARGETS_SEEN = `
  insert into evidence.targets_seen as known (target, last_at, flowing_since)
  select target, max("lastAt"), min("firstAt")
  from json_to_recordset($1::json) as x(target text, "firstAt" bigint, "lastAt" bigint)
  group by target order by target
  on conflict (target) do update set last_at = greatest(known.last_at, excluded.last_at),
    flowing_since = case
      when excluded.flowing_since > known.last_at + ${SILENCE_MS} then excluded.flowing_since
      when excluded.last_at + ${SILENCE_MS} < known.flowing_since then known.flowing_since
      else least(known.flowing_since, excluded.flowing_since) end`;

// Two spans that touch become one; otherwise the later one counts.
const LATEST_SPAN = `
    since = case
      when excluded.since <= known.last_at + ${TOUCHING_MS} and known.since <= excluded.last_at + ${TOUCHING_MS}
        then least(known.since, excluded.since)
      when excluded.last_at > known.last_at then excluded.since
      else known.since end,
    last_at = greatest(known.last_at, excluded.last_at)`;

export const SIGNALS_SEEN = `
  insert into evidence.signals_seen as known (target, signal, since, last_at)
  select target, signal, "from", until from json_to_recordset($1::json)
    as x(target text, signal text, "from" bigint, until bigint)
  on conflict (target, signal) do update set ${LATEST_SPAN}`;

export const UNMEASURED = `
  insert into evidence.unmeasured as known (rollout, signal, target, model, arm, share_bp, requests)
  select rollout, signal, target, model, arm, "shareBp", requests from json_to_recordset($1::json)
    as x(rollout text, signal text, target text, model text, arm text, "shareBp" integer, requests bigint)
  on conflict (rollout, signal, target, model, arm, share_bp) do update set requests = known.requests + excluded.requests`;

export const TRAFFIC_BAD = `
  insert into evidence.traffic_bad as known (signal, target, model, minute, bad)
  select signal, target, model, minute, bad from json_to_recordset($1::json)
    as x(signal text, target text, model text, minute bigint, bad bigint)
  on conflict (signal, target, model, minute) do update set bad = known.bad + excluded.bad`;

export const ROLLOUTS = `
  insert into evidence.rollouts (rollout, config, candidate)
  select rollout, config, candidate from json_to_recordset($1::json)
    as x(rollout text, config text, candidate integer)
  on conflict (rollout) do nothing`;

export const ARMS = `
  insert into evidence.arms as known
    (rollout, target, model, arm, share_bp, requests, unassigned, last_at)
  select rollout, target, model, arm, "shareBp", requests, unassigned, "lastAt"
  from json_to_recordset($1::json) as x(rollout text, target text, model text, arm text, "shareBp" integer,
    requests bigint, unassigned bigint, "lastAt" bigint)
  on conflict (rollout, target, model, arm, share_bp) do update set
    requests = known.requests + excluded.requests,
    unassigned = known.unassigned + excluded.unassigned,
    last_at = greatest(known.last_at, excluded.last_at)`;

// Gives how many units are new in each slice.
export const UNITS = `
  with added as (
    select * from json_to_recordset($1::json)
      as x(rollout text, target text, model text, unit text, "shareBp" integer)
  ), fresh as (
    insert into evidence.candidate_units (rollout, target, model, unit, share_bp, seen_at)
    select rollout, target, model, unit, "shareBp", $2::bigint
    from added left join evidence.unit_counts known using (rollout, target, model)
    where coalesce(known.units, 0) < $3::integer
    order by rollout, target, model, unit
    on conflict (rollout, target, model, unit) do nothing
    returning rollout, target, model
  )
  select rollout, target, model, count(*) as units from fresh
  group by rollout, target, model order by rollout, target, model`;

export const UNIT_COUNTS = `
  insert into evidence.unit_counts as known (rollout, target, model, units)
  select rollout, target, model, units from json_to_recordset($1::json)
    as x(rollout text, target text, model text, units bigint)
  on conflict (rollout, target, model) do update set units = known.units + excluded.units`;

export const LEFTOVERS = `
  insert into evidence.leftovers as known (rollout, target, requests, first_at, last_at)
  select rollout, target, requests, "firstAt", "lastAt" from json_to_recordset($1::json)
    as x(rollout text, target text, requests bigint, "firstAt" bigint, "lastAt" bigint)
  on conflict (rollout, target) do update set
    requests = known.requests + excluded.requests,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)`;

export const LEFTOVER_UNITS = `
  with added as (
    select * from json_to_recordset($1::json) as x(rollout text, target text, unit text)
  ), place as (
    select rollout, target, (
      select count(*) from evidence.leftover_units known
      where known.rollout = s.rollout and known.target = s.target) as units
    from (select distinct rollout, target from added) s
  )
  insert into evidence.leftover_units (rollout, target, unit, seen_at)
  select rollout, target, unit, $2::bigint from added join place using (rollout, target)
  where units < $3::integer
  order by rollout, target, unit
  on conflict (rollout, target, unit) do nothing`;

// One row per unit travels as two numbers' worth of text: what the rows share is sent once, as a slice.
export const UNIT_BAD = `
  with slice as (
    select * from json_to_recordset($1::json) as x(slice integer, rollout text, signal text, target text, model text,
      arm text, "shareBp" integer, generation bigint)
  ), counted as (
    insert into evidence.first_bad (rollout, signal, unit, target, model, arm, share_bp, generation, arrived_at)
    select rollout, signal, unit, target, model, arm, "shareBp", generation, $4::bigint
    from unnest($2::text[], $3::integer[]) with ordinality as bad(unit, slice, place) join slice using (slice)
    order by place
    on conflict (rollout, signal, unit) do nothing
    returning rollout, signal, target, model, arm, share_bp
  )
  select rollout, signal, target, model, share_bp as "shareBp",
    (count(*) filter (where arm = 'candidate'))::integer as "candidateBad",
    (count(*) filter (where arm = 'control'))::integer as "controlBad"
  from counted group by rollout, signal, target, model, share_bp`;

export const REQUEST_CELLS = `
  with cell as (
    select * from json_to_recordset($1::json) as x(rollout text, signal text, target text, model text,
      "shareBp" integer, "candidateBad" bigint, "controlBad" bigint,
      "candidateRequests" bigint, "controlRequests" bigint, late boolean)
  ), queued as (
    insert into evidence.pending
      (rollout, signal, target, model, share_bp, candidate_bad, control_bad, candidate_requests, control_requests, late)
    select rollout, signal, target, model, "shareBp", "candidateBad", "controlBad", "candidateRequests",
      "controlRequests", coalesce(late, false)
    from cell
  )
  insert into evidence.bad_counts as known (rollout, signal, target, model, arm, bad)
  select rollout, signal, target, model, arm, sum(bad)
  from cell cross join lateral (values ('candidate', "candidateBad"), ('control', "controlBad")) as side(arm, bad)
  where bad > 0
  group by rollout, signal, target, model, arm order by rollout, signal, target, model, arm
  on conflict (rollout, signal, target, model, arm) do update set bad = known.bad + excluded.bad`;

const SAMPLES = `
  insert into evidence.samples as known (rollout, signal, target, model, share_bp, candidate, control)
  select rollout, signal, target, model, share_bp, sum(candidate), sum(control) from sums
  group by rollout, signal, target, model, share_bp order by rollout, signal, target, model, share_bp
  on conflict (rollout, signal, target, model, share_bp)
    do update set candidate = known.candidate + excluded.candidate, control = known.control + excluded.control`;

const QUEUED_VALUES = `queued as (
    insert into evidence.pending_values (rollout, signal, target, model, share_bp, value, candidate, control)
    select * from sums
  )`;

export const UNIT_VALUES = `
  with slice as (
    select * from json_to_recordset($1::json) as x(slice integer, rollout text, signal text, target text, model text,
      arm text, "shareBp" integer, generation bigint)
  ), counted as (
    insert into evidence.first_values
      (rollout, signal, unit, target, model, arm, share_bp, generation, value, arrived_at)
    select rollout, signal, unit, target, model, arm, "shareBp", generation, value, $5::bigint
    from unnest($2::text[], $3::integer[], $4::double precision[]) with ordinality as told(unit, slice, value, place)
      join slice using (slice)
    order by place
    on conflict (rollout, signal, unit) do nothing
    returning rollout, signal, target, model, arm, share_bp, value
  ), sums as (
    select rollout, signal, target, model, share_bp, value,
      count(*) filter (where arm = 'candidate') as candidate, count(*) filter (where arm = 'control') as control
    from counted group by rollout, signal, target, model, share_bp, value
  ), ${QUEUED_VALUES} ${SAMPLES}`;

export const VALUE_CELLS = `
  with sums as (
    select rollout, signal, target, model, "shareBp" as share_bp, value, candidate, control
    from json_to_recordset($1::json) as x(rollout text, signal text, target text, model text,
      "shareBp" integer, value double precision, candidate bigint, control bigint)
  ), ${QUEUED_VALUES} ${SAMPLES}`;

// What instances served is taken by looks, bad outcomes and values are counted by arm as well.
export const INSTANCE_CELLS = `
  with cell as (
    select * from json_to_recordset($1::json) as x(rollout text, signal text, target text, model text,
      "shareBp" integer, instance text, place text, drawn integer, kind text, count bigint, sum numeric)
  ), queued as (
    insert into evidence.pending_instances
      (rollout, signal, target, model, share_bp, instance, place, drawn, kind, count, sum)
    select * from cell
  ), side as (
    select cell.*, case when place in ('chosen', 'kept') then 'candidate' else 'control' end as arm from cell
  ), bad as (
    insert into evidence.bad_counts as known (rollout, signal, target, model, arm, bad)
    select rollout, signal, target, model, arm, sum(sum)::bigint from side where kind = 'bad' and sum > 0
    group by rollout, signal, target, model, arm order by rollout, signal, target, model, arm
    on conflict (rollout, signal, target, model, arm) do update set bad = known.bad + excluded.bad
  ), sums as (
    select rollout, signal, target, model, "shareBp" as share_bp,
      case when arm = 'candidate' then count else 0 end as candidate,
      case when arm = 'control' then count else 0 end as control
    from side where kind = 'values'
  ) ${SAMPLES}`;

// Pairs that differ are bad outcomes of one side; both sides did as much work.
export const PAIRS = `
  with pair as (
    select * from json_to_recordset($1::json) as x(rollout text, signal text, target text, model text,
      "shareBp" integer, pairs bigint, "candidateOnly" bigint, "controlOnly" bigint)
  ), queued as (
    insert into evidence.pending (rollout, signal, target, model, share_bp, candidate_bad, control_bad)
    select rollout, signal, target, model, "shareBp", "candidateOnly", "controlOnly" from pair
    where "candidateOnly" + "controlOnly" > 0
  ), sums as (
    select rollout, signal, target, model, "shareBp" as share_bp, pairs as candidate, pairs as control from pair
  ) ${SAMPLES}`;

export const COUNTED_SAMPLES = `
  with sums as (
    select rollout, signal, target, model, "shareBp" as share_bp, candidate, control from json_to_recordset($1::json)
      as x(rollout text, signal text, target text, model text, "shareBp" integer, candidate bigint, control bigint)
  ) ${SAMPLES}`;

export const BUCKETS = `
  insert into evidence.buckets as known (rollout, signal, target, model, bucket, bad, requests)
  select rollout, signal, target, model, bucket, bad, requests from json_to_recordset($1::json)
    as x(rollout text, signal text, target text, model text, bucket integer, bad bigint, requests bigint)
  on conflict (rollout, signal, target, model, bucket)
    do update set bad = known.bad + excluded.bad, requests = known.requests + excluded.requests`;

export const OBSERVED = `
  insert into evidence.observed as known (signal, target, model, minute, requests, bad, value_count, value_sum)
  select signal, target, model, minute, requests, bad, "valueCount", "valueSum" from json_to_recordset($1::json)
    as x(signal text, target text, model text, minute bigint, requests bigint, bad bigint, "valueCount" bigint,
      "valueSum" double precision)
  on conflict (signal, target, model, minute) do update set
    requests = known.requests + excluded.requests,
    bad = known.bad + excluded.bad,
    value_count = known.value_count + excluded.value_count,
    value_sum = known.value_sum + excluded.value_sum`;

export const VIOLATIONS = `
  with counted as (
    insert into evidence.violation_counts as known (rollout, signal, target, model, arm, revisions, violations)
    select rollout, signal, target, model, arm, revisions::jsonb, violations from json_to_recordset($1::json)
      as x(rollout text, signal text, target text, model text, arm text, revisions text, violations bigint)
    order by rollout, signal, target, model, arm, revisions::jsonb
    on conflict (rollout, signal, target, model, arm, revisions)
      do update set violations = known.violations + excluded.violations
    returning *
  )
  insert into evidence.violations
    (rollout, signal, target, model, arm, generation, instance, request, unit, reporter, violated_at)
  select rollout, signal, target, model, arm, generation, instance, request, unit, reporter, at
  from json_to_recordset($2::json) as x(place integer, rank integer, added bigint, rollout text, signal text,
    target text, model text, arm text, revisions jsonb, generation bigint, instance text, request text, unit text,
    reporter text, at bigint)
  join counted using (rollout, signal, target, model, arm, revisions)
  where counted.violations - x.added + x.rank <= $3::integer
  order by place`;

export const VIOLATIONS_SEEN = `
  insert into evidence.violations_seen as known (signal, target, model, revisions, minute, violations, last_at)
  select signal, target, model, revisions::jsonb, minute, violations, "lastAt" from json_to_recordset($1::json)
    as x(signal text, target text, model text, revisions text, minute bigint, violations bigint, "lastAt" bigint)
  on conflict (signal, target, model, revisions, minute) do update set
    violations = known.violations + excluded.violations,
    last_at = greatest(known.last_at, excluded.last_at)`;
