-- Who was exposed to the candidate of a rollout, by target, model and hour. It stays when the ids of units are gone.
create table evidence.exposed (
  rollout text not null,
  target text not null,
  model text not null,
  -- First moment of the hour, epoch milliseconds.
  hour bigint not null,
  requests bigint not null,
  -- Sketch of the units that were first seen in this hour: the smallest hashes, six bytes each.
  units bytea not null,
  primary key (rollout, target, model, hour)
);

-- Hashes of a rollout's units are salted. When its units are forgotten the salt goes too, so that nobody can tell any more
-- whether a known unit is among them.
create table evidence.exposed_salts (
  rollout text primary key,
  salt bytea not null
);

-- Up to when units were taken into the sketches, epoch milliseconds; the row is the lock of whoever does it.
create table evidence.exposed_progress (
  id integer primary key check (id = 1),
  taken_to bigint not null
);
