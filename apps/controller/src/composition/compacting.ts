import type { LiveView } from '#libs/application';
import { asHeadgateEvent, isOver, rolloutStream } from '#libs/domain';
import type { EventStore } from '#libs/kernel';
import type { LookCompaction, NamedLook } from '#libs/signals';

const DAY_MS = 86_400_000;

/** The looks that recorded verdicts rest on, with the digests that they name them by. */
export const namedBy = async (store: EventStore, rollout: string): Promise<readonly NamedLook[]> => {
  const events = (await store.readStream(rolloutStream(rollout))).map(asHeadgateEvent);
  return events.flatMap((event) => {
    if (event.type !== 'VerdictRecorded') return [];
    const { look, digest } = event.data.verdict;
    return [{ look, digest }];
  });
};

type Ended = { readonly id: string; readonly endedAt: number };

const endedIn = (view: LiveView): readonly Ended[] =>
  [...view.rollouts.values()].flatMap(({ rollout }) => {
    const { id, endedAt } = rollout;
    return isOver(rollout) && endedAt !== null ? [{ id, endedAt }] : [];
  });

/**
 * Compacts the looks of rollouts that ended more than `days` before `now` (epoch ms), and drops folds that were kept of any
 * that ended. Throws the first reason why one cannot be compacted, once all others are.
 */
export const compactEnded = async (
  compaction: LookCompaction,
  { view, store, days }: { readonly view: LiveView; readonly store: EventStore; readonly days: number },
  now: number,
): Promise<number> => {
  const ended = endedIn(view);
  await compaction.dropSnapshots(ended.map(({ id }) => id));
  const old = ended.filter(({ endedAt }) => endedAt < now - days * DAY_MS);
  return compaction.compact(
    old.map(({ id }) => ({ rollout: id, named: () => namedBy(store, id) })),
    now,
  );
};
