import type { ProcessManager, RecordedEvent, Task } from '#libs/kernel';
import { asHeadgateEvent } from '#libs/domain';

export const DELIVER = 'deliver';
export const CONDUCT = 'conduct';
export const AUDIT = 'audit';
/** Sending events to a hook, for as long as there is one. */
export const HOOK = 'hook';
/** Asking a source, again and again for as long as it is registered. */
export const POLL = 'poll';

export const conductTaskId = (rollout: string): string => `${CONDUCT}/${rollout}`;

const SOURCE = 'source/';

export const hookTaskId = (hook: string): string => `${HOOK}/${hook}`;

export const pollTaskId = (source: string): string => `${POLL}/${source}`;

const poll = (source: string): Task => ({ id: pollTaskId(source), kind: POLL, dueAt: 0, payload: { source } });

const deliver = (position: number, target: string | null): Task => ({
  id: `${DELIVER}/${position}`,
  kind: DELIVER,
  dueAt: 0,
  payload: { target, generation: position },
});

/** What Headgate serves itself nobody else can write; every other target is looked after as long as it is there. */
const audit = (target: string): Task => ({ id: `${AUDIT}/${target}`, kind: AUDIT, dueAt: 0, payload: { target } });

/** Which tasks an event leads to. Pure; the same event always leads to the same tasks. */
export const react = (recorded: RecordedEvent): readonly Task[] => {
  const event = asHeadgateEvent(recorded);
  switch (event.type) {
    case 'ExposureRequested':
    case 'StickinessDropped':
      return [deliver(event.position, event.data.target)];
    case 'TargetRegistered':
      return event.data.driver === 'pull'
        ? [deliver(event.position, event.data.target)]
        : [deliver(event.position, event.data.target), audit(event.data.target)];
    case 'TargetLabelled':
      // Only where settings can lead to another place.
      return Object.keys(event.data.settings).length === 0
        ? []
        : [deliver(event.position, event.data.target), audit(event.data.target)];
    case 'DriftFound':
      return event.data.action === 'put-back' ? [deliver(event.position, event.data.target)] : [];
    case 'RevisionProposed':
      // No ruleset holds a source, and one task asks it for all its life.
      if (event.data.key.startsWith(SOURCE)) return [poll(event.data.key.slice(SOURCE.length))];
      return event.data.baseline ? [deliver(event.position, null)] : [];
    case 'ConfigRetired':
      return [deliver(event.position, null)];
    case 'RolloutStarted':
      return [
        { id: conductTaskId(event.data.rollout), kind: CONDUCT, dueAt: 0, payload: { rollout: event.data.rollout } },
      ];
    case 'HookAdded':
      return [{ id: hookTaskId(event.data.hook), kind: HOOK, dueAt: 0, payload: { hook: event.data.hook } }];
    default:
      return [];
  }
};

export const conductor: ProcessManager = { name: 'conductor', react };
