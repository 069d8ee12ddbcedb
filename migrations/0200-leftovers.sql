-- What still came to a withdrawn revision after its control had been asked for: what a drain waits for.
create table evidence.leftovers (
  rollout text not null,
  target text not null,
  requests bigint not null,
  first_at bigint not null,
  last_at bigint not null,
  primary key (rollout, target)
) with (fillfactor = 70);

-- Units among them, in the unit store: `seen_at` says when a row may be dropped.
create table evidence.leftover_units (
  rollout text not null,
  target text not null,
  unit text not null,
  seen_at bigint not null,
  primary key (rollout, target, unit)
);
create index on evidence.leftover_units (seen_at);
