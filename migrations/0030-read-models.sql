create schema read_models;

-- One row per rollout, written in the transaction of its events.
create table read_models.rollout_summary (
  rollout text primary key,
  config text,
  revision int,
  status text,
  version int not null,
  position bigint not null
);

create index rollout_summary_by_status on read_models.rollout_summary (status, position);

-- The newest assessment of each rollout: a cache for readers, made again by the next assessment.
create table read_models.rollout_progress (
  rollout text primary key,
  at bigint not null,
  progress jsonb not null
);
