import { cloudEventType, HookEventData } from '#libs/contracts';
import { asHeadgateEvent, summarise } from '#libs/domain';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import type { LiveView } from './live-view.js';

/** Fields of an event that are told as they are: names and numbers that say what it is about. */
const TOLD = ['rollout', 'target', 'track', 'stage', 'exposureBp', 'signal', 'cause'] as const;

/** Sortable as text, as the extension `sequence` of CloudEvents has it. */
const DIGITS = 16;

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

const targetsOf = (targets: unknown): string[] | undefined => {
  if (Array.isArray(targets)) return targets.map(String);
  return typeof targets === 'object' && targets !== null ? Object.keys(targets) : undefined;
};

/** Which config an event is about, itself or through its rollout. */
export const configOf = ({ data }: RecordedEvent, view: LiveView): string | undefined =>
  text(data['config']) ?? text(data['key']) ?? view.fleet.rollout(text(data['rollout']) ?? '')?.config;

const dataOf = (event: RecordedEvent, view: LiveView): HookEventData => {
  const { data } = event;
  const verdict = data['verdict'] as JsonObject | undefined;
  const about = { ...data, ...verdict };
  const rollout = view.rollouts.get(text(data['rollout']) ?? '')?.rollout;
  const candidate = {
    position: event.position,
    event: event.type,
    summary: summarise(asHeadgateEvent(event)),
    actor: event.metadata.actor.name,
    reason: event.metadata.reason,
    ...Object.fromEntries(TOLD.map((name) => [name, about[name]])),
    revision: data['revision'] ?? rollout?.revision,
    config: configOf(event, view),
    targets: targetsOf(data['targets']),
    verdict: text(about['verdict']),
  };
  const known = Object.entries(candidate).filter(([, value]) => value !== undefined && value !== null);
  return HookEventData.parse(Object.fromEntries(known));
};

/**
 * An event of the log as a CloudEvent 1.0 in structured form. It says what happened to what, and who did it: no values
 * of configs, no evidence beyond a sentence, no ids of units or requests. The same event is always told with the same id.
 */
export const hookEvent = (event: RecordedEvent, view: LiveView): JsonObject => {
  const data = dataOf(event, view);
  const { traceparent } = event.metadata;
  const [, kind = '', name = ''] = /^([a-z]+)-(.*)$/s.exec(event.streamId) ?? [];
  return {
    specversion: '1.0',
    id: event.eventId,
    source: `/headgate/${kind}s/${encodeURIComponent(name)}`,
    type: cloudEventType(event.type),
    ...(data.config === undefined ? {} : { subject: data.config }),
    time: event.recordedAt,
    datacontenttype: 'application/json',
    sequence: String(event.position).padStart(DIGITS, '0'),
    partitionkey: event.streamId,
    ...(traceparent === undefined ? {} : { traceparent }),
    data,
  };
};
