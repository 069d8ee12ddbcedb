-- Bodies of old events may be in files (`headgate log archive`): their rows keep place, stream and leaf, and have no body.
-- Nothing else of an event can be changed, and the role of controllers may change nothing at all.
alter table event_store.events alter column body drop not null;

drop trigger events_are_never_changed on event_store.events;
create trigger events_are_never_changed
  before delete or truncate on event_store.events
  for each statement execute function event_store.refuse_change();

create function event_store.refuse_all_but_archiving() returns trigger language plpgsql as $$
begin
  if new.body is null and (new.position, new.stream_id, new.stream_version, new.recorded_at, new.leaf)
    is not distinct from (old.position, old.stream_id, old.stream_version, old.recorded_at, old.leaf)
  then
    return new;
  end if;
  raise exception 'the log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name;
end
$$;

create trigger events_only_lose_bodies
  before update on event_store.events
  for each row execute function event_store.refuse_all_but_archiving();
