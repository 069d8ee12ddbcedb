import { z } from 'zod';
import type { LiveView } from '#libs/application';
import type { RecordedEvent } from '#libs/kernel';

const Text = z.string().min(1).max(200).optional();

/** Which events a reader wants; what is left out does not filter. */
export const EventFilter = z.object({
  stream: Text,
  type: Text,
  rollout: Text,
  config: Text,
  target: Text,
});
export type EventFilter = z.output<typeof EventFilter>;

const names = (
  event: RecordedEvent,
  view: LiveView,
): { rollout: unknown; config: unknown; targets: readonly unknown[] } => {
  const { data } = event;
  const rollout = data['rollout'];
  const ofRollout = typeof rollout === 'string' ? view.rollouts.get(rollout)?.rollout.config : undefined;
  const targets = Array.isArray(data['targets']) ? data['targets'] : [];
  return { rollout, config: data['config'] ?? data['key'] ?? ofRollout, targets: [data['target'], ...targets] };
};

export const matchesFilter = (event: RecordedEvent, filter: EventFilter, view: LiveView): boolean => {
  if (filter.stream !== undefined && filter.stream !== event.streamId) return false;
  if (filter.type !== undefined && filter.type !== event.type) return false;
  const { rollout, config, targets } = names(event, view);
  if (filter.rollout !== undefined && filter.rollout !== rollout) return false;
  if (filter.config !== undefined && filter.config !== config) return false;
  return filter.target === undefined || targets.includes(filter.target);
};
