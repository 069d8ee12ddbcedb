-- What every look reads is as small as the fleet, however many generations and units there were.

-- Requests of an arm by their share. Nobody reads them by generation, of which a busy fleet has thousands.
create table evidence.arms_by_share (
  rollout text not null,
  target text not null,
  model text not null,
  arm text not null check (arm in ('candidate', 'control')),
  share_bp integer not null,
  requests bigint not null,
  unassigned bigint not null,
  last_at bigint not null,
  constraint arms_by_share_pkey primary key (rollout, target, model, arm, share_bp)
) with (fillfactor = 70);
insert into evidence.arms_by_share
select rollout, target, model, arm, share_bp, sum(requests), sum(unassigned), max(last_at)
from evidence.arms group by rollout, target, model, arm, share_bp;
drop table evidence.arms;
alter table evidence.arms_by_share rename to arms;
alter index evidence.arms_by_share_pkey rename to arms_pkey;

-- How many units there are in evidence.candidate_units, and were in it.
create table evidence.unit_counts (
  rollout text not null,
  target text not null,
  model text not null,
  units bigint not null,
  primary key (rollout, target, model)
) with (fillfactor = 70);
insert into evidence.unit_counts
select rollout, target, model, count(*) from evidence.candidate_units group by rollout, target, model;
