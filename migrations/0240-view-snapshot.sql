-- The view that controllers fold in memory, written down now and then so that a start need not read all of the log. A
-- cache: it may be deleted at any time. There is one at most; it is written and replaced in one transaction.
create table read_models.view_snapshots (
  -- The last event that is folded in.
  position bigint primary key,
  -- Its leaf: a snapshot of another log does not fit.
  leaf bytea not null,
  -- What folded it. Nothing else reads it.
  fold text not null,
  parts integer not null,
  -- SHA-256 of all of the above and of all parts.
  digest bytea not null,
  written_at timestamptz not null default clock_timestamp()
);

create table read_models.view_snapshot_parts (
  position bigint not null,
  part integer not null,
  state bytea not null,
  primary key (position, part)
);
-- They are compressed already.
alter table read_models.view_snapshot_parts alter column state set storage external;

-- Tokens are always folded from the log itself, whatever a snapshot says: few events, which this finds.
create index events_of_access on event_store.events (position) where stream_id like 'access-%';
