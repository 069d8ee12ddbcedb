import { asHeadgateEvent, rolloutDecider, type Recorded, type Rollout, type RolloutEvent } from '#libs/domain';
import type { RecordedEvent } from '#libs/kernel';
import type { History } from '../play.js';

/** What a rule finds wrong with a run, in words; nothing when it holds. */
export type Rule = (history: History) => readonly string[];

export type Of<T extends RolloutEvent['type']> = Recorded<Extract<RolloutEvent, { type: T }>>;

/** One event of a rollout, between the states that it leads from and to. */
export type Moment = {
  readonly event: Recorded<RolloutEvent>;
  readonly recorded: RecordedEvent;
  readonly before: Rollout | undefined;
  readonly after: Rollout;
  /** All events of the rollout that were appended with it. */
  readonly together: readonly Recorded<RolloutEvent>[];
};

const all = new WeakMap<History, readonly Moment[]>();
const lives = new WeakMap<History, ReadonlyMap<string, readonly Moment[]>>();

const livesOf = (history: History): ReadonlyMap<string, readonly Moment[]> => {
  const known = lives.get(history);
  if (known) return known;
  const found = new Map<string, Moment[]>();
  const appends = new Map<string, Recorded<RolloutEvent>[]>();
  for (const recorded of history.events) {
    if (!recorded.streamId.startsWith('rollout-')) continue;
    const event = asHeadgateEvent(recorded) as Recorded<RolloutEvent>;
    const moments = found.get(recorded.streamId) ?? [];
    const before = moments.at(-1)?.after;
    const after = rolloutDecider.evolve(before ?? rolloutDecider.initial, event);
    if (after.status === 'none') continue;
    const key = `${recorded.streamId} ${recorded.metadata.commandId}`;
    const together = appends.get(key) ?? [];
    together.push(event);
    appends.set(key, together);
    moments.push({ event, recorded, before, after, together });
    found.set(recorded.streamId, moments);
  }
  lives.set(history, found);
  return found;
};

/** Every event of every rollout, rollout by rollout. */
export const momentsOf = (history: History): readonly Moment[] => {
  const known = all.get(history) ?? [...livesOf(history).values()].flat();
  all.set(history, known);
  return known;
};

/** The events of one rollout in order. */
export const lifeOf = (history: History, rollout: string): readonly Moment[] =>
  livesOf(history).get(`rollout-${rollout}`) ?? [];

/** How each rollout stands at the end. */
export const endsOf = (history: History): readonly Rollout[] =>
  [...livesOf(history).values()].flatMap((moments) => moments.at(-1)?.after ?? []);

export const isExposed = (rollout: Rollout): boolean =>
  Object.values(rollout.targets).some(({ wanted }) => wanted !== null && wanted.shareBp > 0);

/** Whether an event stands in an append that a person's promote led to. */
export const isPromoted = ({ together }: Moment): boolean => together.some(({ type }) => type === 'BakeSkipped');
