-- Signals of which a source said, for a rollout, which revision served what it counted. Such a signal is compared by its
-- arms from the first one on, also while nothing has come of control yet.
create table evidence.told_arms (
  rollout text not null,
  signal text not null,
  constraint told_arms_pkey primary key (rollout, signal)
);
