-- The summary of a rollout is written by the insert of its events itself: an append is one statement again, which holds
-- the lock of the log for no round trip of its caller.

-- Brings the summary up to one event of a rollout; the events of one rollout in their order.
create function read_models.summarise_rollout(stream text, at_version integer, at_position bigint, event json)
returns void
language sql
as $$
  insert into read_models.rollout_summary as summary (rollout, config, revision, status, version, position)
  values (
    substr(stream, length('rollout-') + 1),
    case when event ->> 'type' = 'RolloutPlanned' then event -> 'data' ->> 'config' end,
    case when event ->> 'type' = 'RolloutPlanned' then (event -> 'data' ->> 'revision')::integer end,
    case event ->> 'type'
      when 'RolloutStarted' then 'staging'
      when 'FullyExposed' then 'watching'
      -- A track that is taken back alone leaves the rollout where it was.
      when 'RollbackStarted' then case when event -> 'data' ->> 'track' is null then 'rolling-back' end
      when 'RolledBack' then 'rolled-back'
      when 'RolloutSettled' then 'settled'
      when 'RolloutSuperseded' then 'superseded'
    end,
    at_version,
    at_position)
  on conflict (rollout) do update set
    config = coalesce(excluded.config, summary.config),
    revision = coalesce(excluded.revision, summary.revision),
    status = coalesce(excluded.status, summary.status),
    version = excluded.version,
    position = excluded.position
$$;

create function read_models.summarise_rollouts() returns trigger
language plpgsql
as $$
begin
  perform read_models.summarise_rollout(w.stream_id, w.stream_version, w.position, w.body::json)
  from (select * from written where stream_id like 'rollout-%' order by position) w;
  return null;
end
$$;

create trigger rollout_summary after insert on event_store.events
referencing new table as written
for each statement execute function read_models.summarise_rollouts();
