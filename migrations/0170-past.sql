-- Questions about the past are answered from tables that follow the log from a checkpoint (process.checkpoints, 'past').
-- They can be emptied and made anew at any time.

-- The last position that was recorded at or before a moment; 0 where there is none. Positions are gapless and times never
-- go back, so a few probes of the primary key find it, and the append needs no further index.
create function event_store.position_at(moment timestamptz) returns bigint language plpgsql stable as $$
declare
  low bigint := 0;
  high bigint := coalesce((select max(position) from event_store.events), 0);
  middle bigint;
begin
  while low < high loop
    middle := (low + high + 1) / 2;
    if (select recorded_at from event_store.events where position = middle) <= moment then
      low := middle;
    else
      high := middle - 1;
    end if;
  end loop;
  return low;
end
$$;

-- What held of a target or a rollout, aspect by aspect, since when. Times are epoch milliseconds: `at` is when it was so,
-- `recorded_at` when it became known, `precision` how exactly the first is known. `stands` is null where it held no longer.
create table read_models.past (
  subject text not null,
  aspect text not null,
  at bigint not null,
  position bigint not null,
  recorded_at bigint not null,
  precision text not null,
  stands json,
  type text not null,
  actor text not null,
  reason text,
  primary key (subject, aspect, at, position)
);

-- From when to when each rollout ran, in epoch milliseconds.
create table read_models.rollout_spans (
  rollout text primary key,
  config text not null,
  revision integer not null,
  plan text not null,
  targets text[] not null,
  actor text not null,
  reason text,
  reverts integer,
  bypass text,
  span int8range not null
);
create index rollout_spans_by_time on read_models.rollout_spans using gist (span);

-- Which events tell of a config, a rollout, a target or a person: config/router.context, rollout/…, target/…, actor/….
create table read_models.mentions (
  subject text not null,
  position bigint not null,
  primary key (subject, position)
);
