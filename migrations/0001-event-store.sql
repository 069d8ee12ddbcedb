-- The log. `body` is the whole recorded event as canonical JSON (RFC 8785); `leaf` is SHA-256(0x00 || body in UTF-8).
-- The other columns repeat what is in the body, for the indexes; a verifier compares them.
create schema event_store;

create table event_store.events (
  position bigint not null,
  stream_id text not null,
  stream_version integer not null,
  recorded_at timestamptz not null,
  body text not null,
  leaf bytea not null,
  constraint events_pkey primary key (position),
  constraint events_stream_key unique (stream_id, stream_version)
);

create table event_store.commands (
  id text not null,
  fingerprint text not null,
  outcome json not null,
  last_position bigint not null,
  recorded_at timestamptz not null,
  constraint commands_pkey primary key (id)
);

create function event_store.refuse_change() returns trigger language plpgsql as $$
begin
  raise exception 'the log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name;
end
$$;

create trigger events_are_never_changed
  before update or delete or truncate on event_store.events
  for each statement execute function event_store.refuse_change();

-- For people with psql.
create view event_store.log as
  select position, stream_id, stream_version, recorded_at,
         body::json ->> 'type' as type, body::json -> 'data' as data, body::json -> 'metadata' as metadata
  from event_store.events;

-- Appends many requests in one call. All arrays are parallel within their group:
--   requests: command_ids (null without a command), fingerprints, outcomes
--   streams:  the distinct streams of the call
--   checks:   one per request and stream, requests in order: check_requests, check_streams (both count from 1),
--             check_expected (-1: any version), check_events (how many of the events are its own)
--   events:   in the order of the checks: event_streams, and the three parts of the canonical body between which the
--             values belong that only the lock can give: head || position || recordedAt || middle || streamVersion || tail
-- Each request is accepted or refused alone. The lock is held until commit, so positions are gapless and their order
-- is commit order. Every statement in here takes its snapshot after the lock.
-- Result: status of each request (0 appended, 1 conflict, 2 command known), its first position, for a conflict the
-- check at fault, the version that each check found, and the commands that were known.
create function event_store.append(
  command_ids text[], fingerprints text[], outcomes text[],
  streams text[],
  check_requests integer[], check_streams integer[], check_expected integer[], check_events integer[],
  event_streams text[], heads text[], middles text[], tails text[]
) returns json
language plpgsql
set enable_seqscan = off
set jit = off
set plan_cache_mode = force_generic_plan
as $$
declare
  head bigint;
  last_recorded timestamptz;
  now_recorded timestamptz;
  recorded_text text;
  versions integer[];
  known json;
  known_request integer;
  statuses integer[] := array_fill(0, array[cardinality(command_ids)]);
  firsts bigint[] := array_fill(0::bigint, array[cardinality(command_ids)]);
  lasts bigint[] := array_fill(0::bigint, array[cardinality(command_ids)]);
  conflicts integer[] := array_fill(0, array[cardinality(command_ids)]);
  bases integer[] := array_fill(0, array[cardinality(check_requests)]);
  positions bigint[] := array_fill(0::bigint, array[cardinality(event_streams)]);
  stream_versions integer[] := array_fill(0, array[cardinality(event_streams)]);
  before_call bigint;
  check_from integer := 1;
  check_to integer;
  event_at integer := 0;
  version integer;
begin
  perform pg_advisory_xact_lock(1212630065);

  select e.position, e.recorded_at into head, last_recorded
  from event_store.events e order by e.position desc limit 1;
  head := coalesce(head, 0);
  before_call := head;
  now_recorded := greatest(date_trunc('milliseconds', clock_timestamp()), coalesce(last_recorded, '-infinity'));
  recorded_text := to_char(now_recorded at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');

  versions := array(
    select coalesce((select e.stream_version from event_store.events e
                     where e.stream_id = s.id order by e.stream_version desc limit 1), 0)
    from unnest(streams) with ordinality s(id, n) order by s.n);

  select json_agg(json_build_object('request', r.n, 'fingerprint', c.fingerprint, 'outcome', c.outcome,
                                    'lastPosition', c.last_position)) into known
  from unnest(command_ids) with ordinality r(id, n) join event_store.commands c on c.id = r.id;
  if known is not null then
    for known_request in select (k ->> 'request')::integer from json_array_elements(known) k loop
      statuses[known_request] := 2;
    end loop;
  end if;

  for request in 1 .. cardinality(command_ids) loop
    check_to := check_from;
    while check_to <= cardinality(check_requests) and check_requests[check_to] = request loop
      version := versions[check_streams[check_to]];
      bases[check_to] := version;
      if statuses[request] = 0 and check_expected[check_to] <> -1 and check_expected[check_to] <> version then
        statuses[request] := 1;
        conflicts[request] := check_to;
      end if;
      check_to := check_to + 1;
    end loop;
    firsts[request] := head + 1;
    for c in check_from .. check_to - 1 loop
      if statuses[request] = 0 then
        version := versions[check_streams[c]];
        for n in 1 .. check_events[c] loop
          head := head + 1;
          positions[event_at + n] := head;
          stream_versions[event_at + n] := version + n;
        end loop;
        versions[check_streams[c]] := version + check_events[c];
      end if;
      event_at := event_at + check_events[c];
    end loop;
    lasts[request] := head;
    check_from := check_to;
  end loop;

  if head > before_call then
    insert into event_store.events (position, stream_id, stream_version, recorded_at, body, leaf)
    select b.position, b.stream_id, b.stream_version, now_recorded, b.body,
           sha256('\x00'::bytea || convert_to(b.body, 'UTF8'))
    from (
      select e.position, e.stream_id, e.stream_version,
             e.head || e.position || ',"recordedAt":"' || recorded_text || '",' || e.middle || e.stream_version
               || e.tail as body
      from unnest(positions, event_streams, stream_versions, heads, middles, tails)
        as e(position, stream_id, stream_version, head, middle, tail)
      where e.position > 0
    ) b;
    perform pg_notify('event_store_commit', head::text);
  end if;

  insert into event_store.commands (id, fingerprint, outcome, last_position, recorded_at)
  select r.id, r.fingerprint, r.outcome::json, r.last_position, now_recorded
  from unnest(command_ids, fingerprints, outcomes, statuses, lasts)
    as r(id, fingerprint, outcome, status, last_position)
  where r.status = 0 and r.id is not null;

  return json_build_object('head', head, 'recordedAt', recorded_text, 'statuses', statuses, 'firsts', firsts,
                           'conflicts', conflicts, 'bases', bases, 'known', known);
end
$$;
