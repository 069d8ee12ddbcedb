-- Tables of days are made and dropped while controllers run. A role that only runs controllers does not own them, so both
-- is done by functions of the owner, for these tables alone.

create or replace function evidence.add_day(parent text, day bigint) returns boolean
language plpgsql security definer set search_path = pg_catalog as $$
declare
  part constant text := parent || '_' || to_char(to_timestamp(day / 1000) at time zone 'UTC', 'YYYYMMDD');
  rest constant text := parent || '_rest';
  next_day constant bigint := day + 86400000;
begin
  if parent is null or parent not in ('traffic', 'traffic_bad', 'violations_seen') then
    raise exception 'evidence.% is not kept by days', parent using errcode = 'invalid_parameter_value';
  end if;
  if to_regclass(format('evidence.%I', part)) is not null then
    return false;
  end if;
  execute format('create table evidence.%I (like evidence.%I including defaults including constraints)', part, parent);
  execute format('lock table evidence.%I in access exclusive mode', rest);
  execute format(
    'with moved as (delete from evidence.%I where minute >= $1 and minute < $2 returning *)
     insert into evidence.%I select * from moved', rest, part) using day, next_day;
  execute format(
    'alter table evidence.%I attach partition evidence.%I for values from (%s) to (%s)', parent, part, day, next_day);
  return true;
end
$$;

-- Drops the table of one day (its first moment in epoch milliseconds, UTC), if there is one.
create function evidence.drop_day(parent text, day bigint) returns void
language plpgsql security definer set search_path = pg_catalog as $$
begin
  if parent is null or parent not in ('traffic', 'traffic_bad', 'violations_seen') then
    raise exception 'evidence.% is not kept by days', parent using errcode = 'invalid_parameter_value';
  end if;
  execute format('drop table if exists evidence.%I',
    parent || '_' || to_char(to_timestamp(day / 1000) at time zone 'UTC', 'YYYYMMDD'));
end
$$;
