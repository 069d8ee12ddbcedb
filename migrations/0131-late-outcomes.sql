-- Bad outcomes that came after the look of their requests, where the coin is thrown per request: they are compared with
-- all requests of their share that were measured, and not with those that happen to be served meanwhile.
alter table evidence.pending add column late boolean not null default false;

-- Share of the generation the requests were served under, in basis points; 0 where it was not noted.
alter table evidence.unmeasured add column share_bp integer not null default 0;
alter table evidence.unmeasured drop constraint unmeasured_pkey;
alter table evidence.unmeasured
  add constraint unmeasured_pkey primary key (rollout, signal, target, model, arm, share_bp);
