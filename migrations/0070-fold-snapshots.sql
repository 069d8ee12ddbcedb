-- Folded evidence of rollouts that run, so that a controller which starts need not fold every look again. A cache: rows
-- may be deleted at any time, and bytes that nobody can read are passed over.
create table evidence.fold_snapshots (
  rollout text primary key,
  -- The last look that is folded in.
  look integer not null,
  state bytea not null
);
-- Numbers like these do not get shorter, only slower, by being compressed.
alter table evidence.fold_snapshots alter column state set storage external;
