-- The tree over the log (RFC 9162): leaf n is that of the event at position n + 1. All of it is made outside the append.

-- Roots of complete subtrees of 2^level leaves, from leaf index * 2^level on; level 8 (256 leaves) and above. What lies
-- below is computed from the leaves.
create table event_store.tree_nodes (
  level smallint not null,
  index bigint not null,
  hash bytea not null,
  constraint tree_nodes_pkey primary key (level, index),
  constraint tree_nodes_hash_length check (octet_length(hash) = 32)
);

-- The keys of the sealer in the order in which they took over. A key signs heads of more than from_size leaves.
-- statement: the signed note by which the key before vouches for this one; null for the first, and after a lost key.
create table event_store.seal_keys (
  number integer not null,
  key_id text not null,
  origin text not null,
  public_key bytea not null,
  from_size bigint not null,
  made_at timestamptz not null,
  statement text,
  constraint seal_keys_pkey primary key (number),
  constraint seal_keys_key_id_key unique (key_id)
);

-- Signed heads. The signed text is made of origin, size, root and signed_at; see docs/adr/0029.
create table event_store.tree_heads (
  size bigint not null,
  root bytea not null,
  signed_at timestamptz not null,
  key_id text not null references event_store.seal_keys (key_id),
  signature bytea not null,
  constraint tree_heads_pkey primary key (size),
  constraint tree_heads_root_length check (octet_length(root) = 32)
);

-- How far each witness that answers has been told. Lost, it is told again.
create table event_store.witness_progress (
  witness text not null,
  size bigint not null,
  told_at timestamptz not null,
  constraint witness_progress_pkey primary key (witness)
);

create trigger tree_nodes_are_never_changed
  before update or delete or truncate on event_store.tree_nodes
  for each statement execute function event_store.refuse_change();
create trigger seal_keys_are_never_changed
  before update or delete or truncate on event_store.seal_keys
  for each statement execute function event_store.refuse_change();
create trigger tree_heads_are_never_changed
  before update or delete or truncate on event_store.tree_heads
  for each statement execute function event_store.refuse_change();
