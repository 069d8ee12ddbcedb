-- Looks of rollouts that ended long ago are compacted: those of an hour become one. A compacted look keeps how many looks
-- it stands for and the digest chained over all of them from the first look on, which is what verdicts name.
alter table evidence.looks add column stands_for integer not null default 1;
-- Null in a look that is kept as it was folded.
alter table evidence.looks add column chain text;

-- When the looks of a rollout were compacted, epoch milliseconds; null while they are kept as they were folded.
alter table evidence.folds add column compacted_at bigint;
