-- Appends many requests in one call, as before, now in whole sets instead of row by row. For that the caller sees to it
-- that no two requests of a call touch a stream to which one of them appends: then each is decided by what the log held
-- before the call, and what it did is told by which requests were refused.
--   requests: command_ids (null without a command), fingerprints, outcomes, and how many events the call has up to the
--             end of each
--   checks:   one per request and stream: check_requests (counts from 1), check_streams, check_expected (-1: any version)
--   events:   in the order of the checks: event_checks (counts from 1), which one of its check it is (from 1), and the
--             three parts of the canonical body between which the values belong that only the lock can give:
--             head || position || recordedAt || middle || streamVersion || tail
-- The lock is held until commit, so positions are gapless and their order is commit order. Every statement in here takes
-- its snapshot after the lock.
-- Result: the highest position before the call, when it was recorded, the version that each check found, the requests
-- that were refused because a version did not fit, and the commands that were known (null for none).
drop function event_store.append(text[], text[], text[], text[], integer[], integer[], integer[], integer[],
                                 text[], text[], text[], text[]);

create function event_store.append(
  command_ids text[], fingerprints text[], outcomes text[], request_ends integer[],
  check_requests integer[], check_streams text[], check_expected integer[],
  event_checks integer[], event_numbers integer[], heads text[], middles text[], tails text[]
) returns json
language plpgsql
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  before bigint;
  last_recorded timestamptz;
  now_recorded timestamptz;
  recorded_text text;
  versions integer[];
  refused integer[];
  known json;
  left_out integer[];
  shifts integer[];
  written integer;
begin
  perform pg_advisory_xact_lock(1212630065);

  select e.position, e.recorded_at into before, last_recorded
  from event_store.events e order by e.position desc limit 1;
  before := coalesce(before, 0);
  now_recorded := greatest(date_trunc('milliseconds', clock_timestamp()), coalesce(last_recorded, '-infinity'));
  recorded_text := to_char(now_recorded at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

  versions := array(
    select coalesce((select e.stream_version from event_store.events e
                     where e.stream_id = c.stream order by e.stream_version desc limit 1), 0)
    from unnest(check_streams) with ordinality c(stream, n) order by c.n);

  select json_agg(json_build_object('request', r.n, 'fingerprint', c.fingerprint, 'outcome', c.outcome,
                                    'lastPosition', c.last_position)) into known
  from unnest(command_ids) with ordinality r(id, n) join event_store.commands c on c.id = r.id;

  refused := array(
    select distinct c.request
    from unnest(check_requests, check_expected, versions) c(request, expected, found)
    where c.expected <> -1 and c.expected <> c.found);

  -- shifts: how many events up to each request are not written. By far the most calls write all.
  left_out := refused;
  if known is not null then
    left_out := left_out || array(select (k ->> 'request')::integer from json_array_elements(known) k);
  end if;

  if cardinality(left_out) = 0 then
    shifts := array_fill(0, array[cardinality(request_ends)]);
  else
    shifts := array(
      select coalesce(sum(r.up_to - r.previous) filter (where r.n = any (left_out)) over (order by r.n), 0)
      from (select e.up_to, lag(e.up_to, 1, 0) over (order by e.n) as previous, e.n
            from unnest(request_ends) with ordinality e(up_to, n)) r
      order by r.n);
  end if;

  -- `offset 0` keeps the planner from making each body twice, for its column and for its leaf.
  insert into event_store.events (position, stream_id, stream_version, recorded_at, body, leaf)
  select b.position, b.stream_id, b.stream_version, now_recorded, b.body,
         sha256('\x00'::bytea || convert_to(b.body, 'UTF8'))
  from (
    select a.position, a.stream_id, a.stream_version,
           a.head || a.position || ',"recordedAt":"' || recorded_text || '",' || a.middle || a.stream_version || a.tail
             as body
    from (
      select before + e.n - shifts[check_requests[e.of_check]] as position, check_streams[e.of_check] as stream_id,
             versions[e.of_check] + e.number as stream_version, e.head, e.middle, e.tail
      from unnest(event_checks, event_numbers, heads, middles, tails)
        with ordinality as e(of_check, number, head, middle, tail, n)
      where check_requests[e.of_check] <> all (left_out)
    ) a
    offset 0
  ) b;
  get diagnostics written = row_count;
  if written > 0 then
    perform pg_notify('event_store_commit', (before + written)::text);
  end if;

  insert into event_store.commands (id, fingerprint, outcome, last_position, recorded_at)
  select r.id, r.fingerprint, r.outcome::json, before + r.up_to - shifts[r.n], now_recorded
  from unnest(command_ids, fingerprints, outcomes, request_ends)
    with ordinality as r(id, fingerprint, outcome, up_to, n)
  where r.id is not null and r.n <> all (left_out);

  return json_build_object('before', before, 'recordedAt', recorded_text, 'versions', versions, 'refused', refused,
                           'known', known);
end
$$;
