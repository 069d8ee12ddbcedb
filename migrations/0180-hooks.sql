-- Events on their way to hooks: who was asked to be told of what, and how far that got.
create schema hooks;

create table hooks.progress (
  hook text not null,
  -- Every event up to here that the hook is to be told of is in hooks.waiting, or was delivered.
  read_to bigint not null,
  delivered bigint,
  delivered_at timestamptz,
  -- Why nothing could be sent lately, whatever the event.
  trouble text,
  -- The newest resumption of the hook that was acted on.
  resumed bigint not null default 0,
  constraint progress_pkey primary key (hook)
);

-- Times are epoch milliseconds. What is delivered goes; what is given up stays, so that it can be sent after all.
create table hooks.waiting (
  hook text not null,
  position bigint not null,
  -- Events of one lane go out one after the other.
  lane text not null,
  event_id text not null,
  body text not null,
  queued_at bigint not null,
  ready_at bigint not null,
  attempts integer not null default 0,
  error text,
  dead boolean not null default false,
  constraint waiting_pkey primary key (hook, position)
);
