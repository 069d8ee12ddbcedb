-- What must happen next. A reaction inserts tasks and moves the checkpoint in one transaction.
create schema process;

create table process.checkpoints (
  name text not null,
  position bigint not null,
  moved_at timestamptz not null default clock_timestamp(),
  constraint checkpoints_pkey primary key (name)
);

-- Times are epoch milliseconds. A finished task stays, so that adding it again changes nothing.
create table process.tasks (
  id text not null,
  kind text not null,
  payload json not null,
  due_at bigint not null,
  -- When it can be claimed: the due time while it waits, the end of the lease while somebody holds it.
  ready_at bigint not null,
  token text,
  -- Hastened while somebody held it: due at once when it comes back.
  hastened boolean not null default false,
  attempts integer not null default 0,
  done_at bigint,
  constraint tasks_pkey primary key (id)
);

create index tasks_ready on process.tasks (ready_at) where done_at is null;
create index tasks_done on process.tasks (done_at) where done_at is not null;
