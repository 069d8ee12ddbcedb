-- Signals of values (means, distributions) and of pairs.

-- The first value of each unit, where the coin is thrown per unit; dropped with the unit store.
create table evidence.first_values (
  rollout text not null,
  signal text not null,
  unit text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  share_bp integer not null,
  generation bigint not null,
  value double precision not null,
  arrived_at bigint not null,
  primary key (rollout, signal, unit)
);
create index on evidence.first_values using brin (arrived_at);

-- Values that arrived since the last look, each the value of its bin: only added by the intake and only taken by a look.
create table evidence.pending_values (
  id bigint generated always as identity primary key,
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  share_bp integer not null,
  value double precision not null,
  candidate bigint not null,
  control bigint not null
);
create index on evidence.pending_values (rollout);

-- How many values or pairs were measured, by the share they were served under: what requests are for a signal of bad
-- outcomes. First values of units tell as well whether the arms have as many units as they should.
create table evidence.samples (
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  share_bp integer not null,
  candidate bigint not null,
  control bigint not null,
  primary key (rollout, signal, target, model, share_bp)
) with (fillfactor = 70);

-- Since when requests are served on a target without a silence of more than ten seconds: a drain is seen by requests.
alter table evidence.targets_seen add column flowing_since bigint;

-- Of what was counted under a batch id (SHA-256); null before there was such a thing. Another content under the same id is
-- refused and not taken for a repetition.
alter table evidence.batches add column digest text;
