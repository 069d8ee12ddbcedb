-- A bake counts the time that outcomes cover, not the time since some arrived.

-- Up to where the bake has counted or passed over, and since when controllers have looked without a pause; null: as far
-- as the last look.
alter table evidence.bakes add column covered_until bigint;
alter table evidence.bakes add column looked_since bigint;
