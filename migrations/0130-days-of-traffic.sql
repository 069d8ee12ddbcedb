-- Rows by the minute that belong to no rollout are kept by age alone. They lie in one table for each day, so that what is
-- too old is dropped as a table, which leaves no dead rows behind. What has no table of its own day yet (it came late, or
-- no controller has run for days) goes into the table _rest: no insert ever fails for want of a day.

-- Makes the table of one day (its first moment in epoch milliseconds, UTC) and moves into it what of that day lies in the
-- rest; false where there is one. Writers of the rest wait meanwhile, and nobody else. Not by two at once.
create function evidence.add_day(parent text, day bigint) returns boolean language plpgsql as $$
declare
  part constant text := parent || '_' || to_char(to_timestamp(day / 1000) at time zone 'UTC', 'YYYYMMDD');
  rest constant text := parent || '_rest';
  next_day constant bigint := day + 86400000;
begin
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

alter table evidence.traffic rename to traffic_before;
alter table evidence.traffic_bad rename to traffic_bad_before;
alter table evidence.violations_seen rename to violations_seen_before;
alter index evidence.traffic_pkey rename to traffic_before_pkey;
alter index evidence.traffic_bad_pkey rename to traffic_bad_before_pkey;
alter index evidence.violations_seen_pkey rename to violations_seen_before_pkey;

create table evidence.traffic (
  target text not null,
  model text not null,
  minute bigint not null,
  requests bigint not null,
  first_at bigint not null,
  last_at bigint not null,
  primary key (target, model, minute)
) partition by range (minute);

create table evidence.traffic_bad (
  signal text not null,
  target text not null,
  model text not null,
  minute bigint not null,
  bad bigint not null,
  primary key (signal, target, model, minute)
) partition by range (minute);

create table evidence.violations_seen (
  signal text not null,
  target text not null,
  model text not null,
  revisions jsonb not null,
  minute bigint not null,
  violations bigint not null,
  last_at bigint not null,
  primary key (signal, target, model, revisions, minute)
) partition by range (minute);

create table evidence.traffic_rest partition of evidence.traffic default;
create table evidence.traffic_bad_rest partition of evidence.traffic_bad default;
create table evidence.violations_seen_rest partition of evidence.violations_seen default;

insert into evidence.traffic select * from evidence.traffic_before;
insert into evidence.traffic_bad select * from evidence.traffic_bad_before;
insert into evidence.violations_seen select * from evidence.violations_seen_before;
drop table evidence.traffic_before, evidence.traffic_bad_before, evidence.violations_seen_before;

create index on evidence.traffic (minute);
create index on evidence.traffic_bad (minute);
create index on evidence.violations_seen (minute);

-- The days of the rows there are, today and a week ahead. What is older than anything that is kept stays in the rest.
do $$
declare
  today constant bigint := floor(extract(epoch from now()) / 86400)::bigint * 86400000;
begin
  perform evidence.add_day(parent, day)
  from (
    select parent, today + n * 86400000 as day
    from unnest(array['traffic', 'traffic_bad', 'violations_seen']) as parent, generate_series(0, 7) as n
    union select 'traffic', minute / 86400000 * 86400000 from evidence.traffic
    union select 'traffic_bad', minute / 86400000 * 86400000 from evidence.traffic_bad
    union select 'violations_seen', minute / 86400000 * 86400000 from evidence.violations_seen
  ) as wanted
  where day >= today - 15 * 86400000;
end
$$;
