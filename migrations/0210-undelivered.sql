-- Targets to which the newest delivery failed, by whichever controller tried: why, and since when.
create table delivery.undelivered (
  target text primary key,
  generation bigint not null,
  error text not null,
  since timestamptz not null
);
