-- The first word of each instance that it evaluates with a generation: since when it does, and when that was heard.
create table delivery.acknowledged (
  target text not null,
  instance text not null,
  generation bigint not null,
  since timestamptz not null,
  heard_at timestamptz not null,
  primary key (target, instance, generation)
);
create index acknowledged_by_age on delivery.acknowledged using brin (heard_at);
