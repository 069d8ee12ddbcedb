-- Configs that are assigned by instance: whole processes are drawn, and one of them is one observation.

-- What instances served since the last look, signal by signal: requests and the bad ones among them, or values and their
-- sum. Only added by the intake and only taken by a look. `place`: where the instance stands in the draw of the exposure;
-- `drawn`: how many instances that draw was from.
create table evidence.pending_instances (
  id bigint generated always as identity primary key,
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  share_bp integer not null,
  instance text not null,
  place text not null check (place in ('chosen', 'spared', 'kept', 'late')),
  drawn integer not null,
  kind text not null check (kind in ('bad', 'values')),
  count bigint not null,
  sum numeric not null
);
create index on evidence.pending_instances (rollout);
