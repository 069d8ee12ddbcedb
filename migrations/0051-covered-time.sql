-- A bake counts the time that outcomes cover, not the time since some arrived.

-- Since when the windows of a target follow each other without a gap, up to its last one; null: only that one is known.
alter table evidence.targets_seen add column since bigint;

-- Up to where the bake has counted or passed over, and since when controllers have looked without a pause; null: as far
-- as the last look.
alter table evidence.bakes add column covered_until bigint;
alter table evidence.bakes add column looked_since bigint;
