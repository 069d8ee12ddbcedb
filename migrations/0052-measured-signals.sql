-- A window may say which signals it measured. What it did not measure is no evidence of them.

-- Since when and until when windows that measured a signal follow each other on a target; '*' stands for every signal,
-- which is what a window measures that names none.
create table evidence.signals_seen (
  target text not null,
  signal text not null,
  since bigint not null,
  last_at bigint not null,
  primary key (target, signal)
) with (fillfactor = 70);

-- Requests in which a signal of the plan was not measured: they are left out of what it is judged on.
create table evidence.unmeasured (
  rollout text not null,
  signal text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  requests bigint not null,
  primary key (rollout, signal, target, model, arm)
) with (fillfactor = 70);
