import { z } from 'zod';
import { eventView, namesIn, type LiveView } from '#libs/application';
import type { RecordedEvent } from '#libs/kernel';

const Text = z.string().min(1).max(200).optional();

/** Which events a reader wants; what is left out does not filter. */
export const EventFilter = z.strictObject({
  stream: Text,
  /** One type, or several with commas between them. */
  type: z
    .string()
    .regex(/^[^,]{1,200}(?:,[^,]{1,200}){0,39}$/, 'write a type of event, or up to 40 with commas between them')
    .optional(),
  rollout: Text,
  config: Text,
  target: Text,
  /** On any target of this platform. */
  platform: Text,
  /** Name of who did it, as it is recorded. */
  actor: Text,
  /** What one request or one look of the controller led to at once. */
  correlation: Text,
  /** The event with this id, and what names it as its cause. */
  event: Text,
  /** Words that are in the summary, the reason or the name of the actor, in any case of letters. */
  q: Text,
  /** Recorded at or after this time, and before that one. */
  since: z.iso.datetime({ offset: true }).optional(),
  until: z.iso.datetime({ offset: true }).optional(),
});
export type EventFilter = z.output<typeof EventFilter>;

const matchesTime = ({ recordedAt }: RecordedEvent, { since, until }: EventFilter): boolean => {
  const at = Date.parse(recordedAt);
  return (since === undefined || at >= Date.parse(since)) && (until === undefined || at < Date.parse(until));
};

const matchesOrigin = ({ eventId, metadata }: RecordedEvent, { actor, correlation, event }: EventFilter): boolean =>
  (actor ?? metadata.actor.name) === metadata.actor.name &&
  (correlation ?? metadata.correlationId) === metadata.correlationId &&
  (event === undefined || event === eventId || event === metadata.causationId);

const matchesWords = (event: RecordedEvent, words: string | undefined): boolean => {
  if (words === undefined) return true;
  const { summary, reason, actor } = eventView(event);
  return `${summary}\n${reason ?? ''}\n${actor.name}`.toLowerCase().includes(words.toLowerCase());
};

const platformOf = (view: LiveView, target: unknown): string | undefined =>
  typeof target === 'string' ? view.fleet.targets.get(target)?.platform : undefined;

export const matchesFilter = (event: RecordedEvent, filter: EventFilter, view: LiveView): boolean => {
  if (filter.stream !== undefined && filter.stream !== event.streamId) return false;
  if (filter.type !== undefined && !filter.type.split(',').includes(event.type)) return false;
  if (!matchesTime(event, filter) || !matchesOrigin(event, filter)) return false;
  const { rollout, config, targets } = namesIn(event.data, view);
  if (filter.rollout !== undefined && filter.rollout !== rollout) return false;
  if (filter.config !== undefined && filter.config !== config) return false;
  if (filter.target !== undefined && !targets.includes(filter.target)) return false;
  if (filter.platform !== undefined && !targets.some((target) => platformOf(view, target) === filter.platform))
    return false;
  return matchesWords(event, filter.q);
};
