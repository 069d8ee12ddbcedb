-- A rollout that another one took over from was left in the summary as it was before that.
update read_models.rollout_summary
set status = 'superseded'
where exists (
  select from event_store.log
  where log.stream_id = 'rollout-' || rollout_summary.rollout and log.type = 'RolloutSuperseded');
