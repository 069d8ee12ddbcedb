-- The summary of a rollout is written by the insert of its events itself: an append is one statement again, which holds
-- the lock of the log for no round trip of its caller.

-- The status that an event brings about; null when it stays as it was.
create function read_models.rollout_status(event json) returns text
language sql immutable
as $$
  select case event ->> 'type'
    when 'RolloutStarted' then 'staging'
    when 'FullyExposed' then 'watching'
    -- A track that is taken back alone leaves the rollout where it was.
    when 'RollbackStarted' then case when event -> 'data' ->> 'track' is null then 'rolling-back' end
    when 'RolledBack' then 'rolled-back'
    when 'RolloutSettled' then 'settled'
    when 'RolloutSuperseded' then 'superseded'
  end
$$;

create function read_models.summarise_rollouts() returns trigger
language plpgsql
as $$
begin
  insert into read_models.rollout_summary as summary (rollout, config, revision, status, version, position)
  select substr(stream_id, length('rollout-') + 1),
    max(event -> 'data' ->> 'config') filter (where event ->> 'type' = 'RolloutPlanned'),
    max((event -> 'data' ->> 'revision')::integer) filter (where event ->> 'type' = 'RolloutPlanned'),
    (array_agg(read_models.rollout_status(event) order by position desc)
      filter (where read_models.rollout_status(event) is not null))[1],
    max(stream_version), max(position)
  from (
    select stream_id, stream_version, position, body::json as event from written
    where starts_with(stream_id, 'rollout-')
  ) of_rollouts
  group by stream_id order by stream_id
  on conflict (rollout) do update set
    config = coalesce(excluded.config, summary.config),
    revision = coalesce(excluded.revision, summary.revision),
    status = coalesce(excluded.status, summary.status),
    version = excluded.version,
    position = excluded.position;
  return null;
end
$$;

create trigger rollout_summary after insert on event_store.events
referencing new table as written
for each statement execute function read_models.summarise_rollouts();
