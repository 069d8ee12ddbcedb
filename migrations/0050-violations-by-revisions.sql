-- Violations on the candidate of a rollout by all revisions they were served under, so that those which another change
-- explains can be told apart. Rows from before know none.
alter table evidence.violation_counts add column revisions jsonb not null default '{}';
alter table evidence.violation_counts drop constraint violation_counts_pkey;
alter table evidence.violation_counts
  add constraint violation_counts_pkey primary key (rollout, signal, target, model, arm, revisions);
