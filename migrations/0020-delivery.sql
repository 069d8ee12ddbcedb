create schema delivery;

-- What each target serves. The generation is the global position of the last event that changed it, and only grows.
-- json, not jsonb: clients get the very bytes that were rendered.
create table delivery.rulesets (
  target text primary key,
  generation bigint not null check (generation > 0),
  ruleset json not null,
  applied_at timestamptz not null default clock_timestamp()
);

-- The last heartbeat of each instance; rewritten every few seconds, so pages keep room for updates in place.
create table delivery.instances (
  target text not null,
  instance text not null,
  generation bigint not null check (generation >= 0),
  error text,
  seen_at timestamptz not null,
  primary key (target, instance)
) with (fillfactor = 50);
