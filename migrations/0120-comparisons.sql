-- The same work done on two targets, by rollout: what parity of platforms is judged by. The left target is the one whose
-- name comes first.
create table evidence.comparisons (
  rollout text not null,
  signal text not null,
  left_target text not null,
  right_target text not null,
  pairs bigint not null,
  left_only bigint not null,
  right_only bigint not null,
  -- When the first and the last of it were done, in epoch milliseconds.
  first_at bigint not null,
  last_at bigint not null,
  primary key (rollout, signal, left_target, right_target),
  constraint comparisons_left_first check (left_target collate "C" < right_target collate "C"),
  constraint comparisons_within_pairs check (left_only >= 0 and right_only >= 0 and left_only + right_only <= pairs)
) with (fillfactor = 70);
