-- What signs the addresses of OFREP event streams, so that any controller takes those that another one gave out. Two
-- random UUIDs are 244 bits of chance.
create table delivery.stream_keys (
  number integer not null default 1,
  key bytea not null,
  constraint stream_keys_pkey primary key (number),
  constraint stream_keys_one check (number = 1)
);

insert into delivery.stream_keys (key)
values (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));
