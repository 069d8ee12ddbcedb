-- Signals that a metrics system counts: without units, by points of time series.

-- What each source saw at last, as JSON that it alone can read; the row is the lock of its steps.
create table evidence.sources (
  source text primary key,
  state text,
  -- Epoch milliseconds.
  seen_at bigint not null
) with (fillfactor = 50);
-- It is read and written as a whole each time: compressing it would only be slower.
alter table evidence.sources alter column state set storage external;
create index on evidence.sources (seen_at);

-- What was counted on every target, rollout or not: what is there before a change is what it is compared with where no
-- arm is known.
create table evidence.observed (
  signal text not null,
  target text not null,
  model text not null,
  minute bigint not null,
  requests bigint not null,
  bad bigint not null,
  value_count bigint not null,
  value_sum double precision not null,
  primary key (signal, target, model, minute)
);
create index on evidence.observed (minute);

-- Counts of the control by hash bucket of units: how far they are apart tells by how much units differ.
create table evidence.buckets (
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  bucket integer not null,
  bad bigint not null,
  requests bigint not null,
  primary key (rollout, signal, target, model, bucket)
) with (fillfactor = 70);
