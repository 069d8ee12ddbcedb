-- Evidence: what was seen on the targets. The log holds decisions; these rows hold what they were made on.
-- Times are epoch milliseconds. Unit and request ids are kept in the unit store only: candidate_units, first_bad
-- and violations; their columns *_at say when a row may be dropped.
create schema evidence;

-- Batches that were counted: a repetition finds its id here and counts nothing.
create table evidence.batches (
  batch uuid primary key,
  target text not null,
  reporter text not null,
  received_at bigint not null
);
create index on evidence.batches (received_at);

-- Traffic of every target, rollout or not: plans predict from it how long a stage has to last.
create table evidence.traffic (
  target text not null,
  model text not null,
  minute bigint not null,
  requests bigint not null,
  first_at bigint not null,
  last_at bigint not null,
  primary key (target, model, minute)
);
create index on evidence.traffic (minute);

create table evidence.traffic_bad (
  signal text not null,
  target text not null,
  model text not null,
  minute bigint not null,
  bad bigint not null,
  primary key (signal, target, model, minute)
);
create index on evidence.traffic_bad (minute);

-- The end of the last window with requests.
create table evidence.targets_seen (
  target text primary key,
  last_at bigint not null
);

-- Rollouts of which anything was seen.
create table evidence.rollouts (
  rollout text primary key,
  config text not null,
  candidate integer not null
);

create table evidence.arms (
  rollout text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  generation bigint not null,
  share_bp integer not null,
  requests bigint not null,
  unassigned bigint not null,
  last_at bigint not null,
  primary key (rollout, target, model, arm, generation)
) with (fillfactor = 70);

create table evidence.candidate_units (
  rollout text not null,
  target text not null,
  model text not null,
  unit text not null,
  share_bp integer not null,
  seen_at bigint not null,
  primary key (rollout, target, model, unit)
);
create index on evidence.candidate_units (seen_at);

create table evidence.first_bad (
  rollout text not null,
  signal text not null,
  unit text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  share_bp integer not null,
  generation bigint not null,
  arrival bigint generated always as identity,
  arrived_at bigint not null,
  primary key (rollout, signal, unit)
);
create index on evidence.first_bad using brin (arrived_at);

-- Bad outcomes that count for a rollout: first ones per unit, or each one where the coin is thrown per request.
create table evidence.bad_counts (
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  bad bigint not null,
  primary key (rollout, signal, target, model, arm)
) with (fillfactor = 70);

-- Arrived since the last look: rows are only added by the intake and only taken by a look.
create table evidence.pending (
  id bigint generated always as identity primary key,
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  share_bp integer not null,
  candidate_bad bigint not null,
  control_bad bigint not null,
  candidate_requests bigint,
  control_requests bigint
);
create index on evidence.pending (rollout);

-- How many looks were taken; the row is the lock of a look.
create table evidence.folds (
  rollout text primary key,
  looks integer not null,
  looked_at bigint not null
) with (fillfactor = 50);

-- Looks that saw something; a number that is missing was an empty look. `cells` is canonical JSON, `digest` its SHA-256.
create table evidence.looks (
  rollout text not null,
  look integer not null,
  looked_at bigint not null,
  cells text not null,
  digest text not null,
  primary key (rollout, look)
);

create table evidence.violation_counts (
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  violations bigint not null,
  primary key (rollout, signal, target, model, arm)
);

-- The first violations of each slice and arm in full; the rest is counted above.
create table evidence.violations (
  arrival bigint generated always as identity primary key,
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  generation bigint not null,
  instance text not null,
  request text,
  unit text,
  reporter text not null,
  violated_at bigint not null
);
create index on evidence.violations (rollout, signal, arm, arrival);
create index on evidence.violations (violated_at);

-- Every violation with the revisions it was served under, whether or not a rollout runs: the look-back of the next one.
create table evidence.violations_seen (
  signal text not null,
  target text not null,
  model text not null,
  revisions jsonb not null,
  minute bigint not null,
  violations bigint not null,
  last_at bigint not null,
  primary key (signal, target, model, revisions, minute)
);
create index on evidence.violations_seen (minute);

create table evidence.bakes (
  rollout text not null,
  track text not null,
  stage text not null,
  baked_ms bigint not null,
  advanced_at bigint not null,
  primary key (rollout, track, stage)
) with (fillfactor = 50);
