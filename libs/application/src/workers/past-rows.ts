import { asHeadgateEvent, isOver, type Desired, type HeadgateEvent, type Recorded, type Rollout } from '#libs/domain';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import {
  actorSubject,
  configSubject,
  rolloutSubject,
  targetSubject,
  type Mention,
  type PastNews,
  type PastRow,
  type PastSpan,
} from '../past.js';
import type { LiveView } from '../queries/live-view.js';

/**
 * Number of the way in which events become rows. Raise it with every change of that: controllers then make all rows anew,
 * beside those that are there.
 */
export const PAST_FOLD = 1;

type Said = { readonly subject: string; readonly aspect: string; readonly stands: JsonObject | null };

const desiredJson = (desired: Desired | undefined): JsonObject | null => {
  if (desired === undefined) return null;
  const { control, candidate, shareBp, rollout } = desired;
  return { control, candidate, shareBp, rollout };
};

const ofConfig = (view: LiveView, targets: Iterable<string>, config: string): Said[] =>
  [...targets].map((target) => ({
    subject: targetSubject(target),
    aspect: `config/${config}`,
    stands: desiredJson(view.fleet.desiredOf(target, config)),
  }));

const ofTarget = (view: LiveView, target: string): Said => {
  const known = view.fleet.targets.get(target);
  return {
    subject: targetSubject(target),
    aspect: 'target',
    stands: known === undefined || known.retired ? null : { platform: known.platform },
  };
};

const ofDrain = (view: LiveView, rollout: string, target: string, state: JsonObject): Said[] => {
  const config = view.rollouts.get(rollout)?.rollout.config;
  if (config === undefined) return [];
  return [{ subject: targetSubject(target), aspect: `drain/${config}`, stands: { rollout, ...state } }];
};

/** What is desired of targets, which holds from when it is recorded: an event comes before its effect. */
const desires = (view: LiveView, event: Recorded<HeadgateEvent>): Said[] => {
  switch (event.type) {
    case 'TargetRegistered': {
      const { target } = event.data;
      return [
        ofTarget(view, target),
        ...[...view.fleet.configs.keys()].flatMap((config) =>
          view.fleet.desiredOf(target, config) === undefined ? [] : ofConfig(view, [target], config),
        ),
      ];
    }
    case 'TargetRetired':
      return [ofTarget(view, event.data.target)];
    case 'RevisionProposed':
      return event.data.baseline ? ofConfig(view, view.fleet.targets.keys(), event.data.key) : [];
    case 'ConfigRetired':
      return ofConfig(view, view.fleet.targets.keys(), event.data.key);
    case 'TargetsReleased':
      return ofConfig(view, event.data.targets, event.data.key);
    case 'ExposureRequested': {
      const { rollout, target, config, shareBp, purpose } = event.data;
      const exposure = { subject: rolloutSubject(rollout), aspect: `exposure/${target}`, stands: { shareBp, purpose } };
      return [...ofConfig(view, [target], config), exposure];
    }
    default:
      return [];
  }
};

/** What was seen of targets, which was so when it happened, whenever it became known. */
const sights = (view: LiveView, event: Recorded<HeadgateEvent>): Said[] => {
  switch (event.type) {
    case 'ExposureChanged': {
      const { target, generation } = event.data;
      return [{ subject: targetSubject(target), aspect: 'delivered', stands: { generation } }];
    }
    case 'GenerationAcknowledged': {
      const { target, generation, instances } = event.data;
      return [{ subject: targetSubject(target), aspect: 'acknowledged', stands: { generation, instances } }];
    }
    case 'RollbackStarted': {
      const { rollout, targets } = event.data;
      return targets.flatMap((target) => ofDrain(view, rollout, target, { state: 'draining' }));
    }
    case 'TargetReadBack': {
      const { rollout, target } = event.data;
      return ofDrain(view, rollout, target, { state: 'read-back' });
    }
    case 'TargetDrained': {
      const { rollout, target, outcome, detail } = event.data;
      return ofDrain(view, rollout, target, { state: outcome, detail });
    }
    default:
      return [];
  }
};

const STATES: ReadonlySet<string> = new Set([
  'RolloutStarted',
  'RolloutHeld',
  'RolloutResumed',
  'FullyExposed',
  'ExposureRequested',
  'RollbackStarted',
  'RolledBack',
  'RolloutSettled',
  'RolloutSuperseded',
]);

const ofRollout = (rollout: Rollout): Said => ({
  subject: rolloutSubject(rollout.id),
  aspect: 'state',
  stands: {
    status: rollout.status,
    held: rollout.held === null ? null : { by: rollout.held.by, reason: rollout.held.reason },
  },
});

/** Generations move with events of several kinds: the fleet says where. */
const generations = (view: LiveView, { position }: RecordedEvent): Said[] =>
  [...view.fleet.targets.values()]
    .filter(({ generation }) => generation === position)
    .map(({ target }) => ({ subject: targetSubject(target), aspect: 'generation', stands: { generation: position } }));

const MOVES_GENERATIONS: ReadonlySet<string> = new Set([
  'TargetRegistered',
  'TargetLabelled',
  'DriftFound',
  'RevisionProposed',
  'ConfigRetired',
  'ExposureRequested',
  'StickinessDropped',
]);

const spanOf = (view: LiveView, rollout: string): PastSpan[] => {
  const entry = view.rollouts.get(rollout);
  if (entry === undefined) return [];
  const { id, config, revision, plan, reverts, bypass, startedAt, endedAt, targets } = entry.rollout;
  const base = { rollout: id, config, revision, plan: plan.plan, targets: Object.keys(targets), reverts, bypass };
  return [{ ...base, actor: entry.startedBy, reason: entry.reason === '' ? null : entry.reason, startedAt, endedAt }];
};

/** What an event tells of: the things by which people ask for history. */
const mentionsOf = (view: LiveView, { data, metadata, position }: RecordedEvent): Mention[] => {
  const { rollout, config, targets } = namesIn(data, view);
  const subjects = [
    ...(typeof rollout === 'string' ? [rolloutSubject(rollout)] : []),
    ...(typeof config === 'string' ? [configSubject(config)] : []),
    ...targets.flatMap((target) => (typeof target === 'string' ? [targetSubject(target)] : [])),
    ...(metadata.actor.kind === 'automation' ? [] : [actorSubject(metadata.actor.name)]),
  ];
  return [...new Set(subjects)].map((subject) => ({ subject, position }));
};

/** The rollout, config and targets that the data of an event names; the config of a rollout is that which it changes. */
export const namesIn = (
  data: JsonObject,
  view: Pick<LiveView, 'rollouts'>,
): { readonly rollout: unknown; readonly config: unknown; readonly targets: readonly unknown[] } => {
  const rollout = data['rollout'];
  const ofRolloutsConfig = typeof rollout === 'string' ? view.rollouts.get(rollout)?.rollout.config : undefined;
  const targets = Array.isArray(data['targets']) ? (data['targets'] as readonly unknown[]) : [];
  return { rollout, config: data['config'] ?? data['key'] ?? ofRolloutsConfig, targets: [data['target'], ...targets] };
};

/** What one event adds to what is kept of the past. `view` has just folded it in. The same event always adds the same. */
export const pastOf = (view: LiveView, recorded: RecordedEvent): Omit<PastNews, 'upTo'> => {
  const event = asHeadgateEvent(recorded);
  const { position, type, metadata } = recorded;
  const occurredAt = Math.min(Date.parse(metadata.occurredAt), event.at);
  // Only what is imported takes effect before it is recorded, and says how exactly the time is known.
  const heldAt = metadata.precision === 'instant' ? event.at : occurredAt;
  const rowOf =
    (at: number) =>
    (said: Said): PastRow => ({
      ...said,
      at,
      position,
      recordedAt: event.at,
      precision: metadata.precision,
      type,
      actor: metadata.actor.name,
      reason: metadata.reason ?? null,
    });
  const rollout = recorded.streamId.startsWith('rollout-') ? String(recorded.data['rollout']) : undefined;
  const entry = rollout !== undefined && STATES.has(type) ? view.rollouts.get(rollout) : undefined;
  const held = [
    ...desires(view, event),
    ...(MOVES_GENERATIONS.has(type) ? generations(view, recorded) : []),
    ...(entry === undefined ? [] : [ofRollout(entry.rollout)]),
  ];
  const spans =
    rollout !== undefined && (type === 'RolloutStarted' || (entry !== undefined && isOver(entry.rollout)))
      ? spanOf(view, rollout)
      : [];
  return {
    rows: [...held.map(rowOf(heldAt)), ...sights(view, event).map(rowOf(occurredAt))],
    spans,
    mentions: mentionsOf(view, recorded),
  };
};
