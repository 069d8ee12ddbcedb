import { conductTaskId, type LiveView, type Log } from '#libs/application';
import type { PostgresTaskQueue } from '#libs/event-store';
import type { PostgresRulesetFeed } from '#libs/platforms';
import type { PostgresEvidenceStore } from '#libs/signals';

/** Evidence arrives all the time; one rollout is looked at no more often than this because of it. */
const EVERY_MS = 200;
/** What arrives together is looked at together. */
const GATHER_MS = 10;

type Call = (names: readonly string[]) => Promise<void>;

/**
 * Turns many rings of one name into calls: soon after a quiet time, otherwise at most one in each span. Names whose time
 * comes while a call is under way go together in the next one.
 */
const paced = (call: Call): { readonly ring: (name: string) => void; readonly stop: () => void } => {
  const waiting = new Map<string, NodeJS.Timeout>();
  const calledAt = new Map<string, number>();
  const due = new Set<string>();
  let calling = false;
  const callAll = async (): Promise<void> => {
    if (calling) return;
    calling = true;
    while (due.size > 0) {
      const names = [...due];
      due.clear();
      await call(names);
    }
    calling = false;
  };
  const ring = (name: string): void => {
    if (waiting.has(name)) return;
    const quiet = performance.now() - (calledAt.get(name) ?? Number.NEGATIVE_INFINITY);
    const fire = (): void => {
      waiting.delete(name);
      calledAt.set(name, performance.now());
      due.add(name);
      void callAll();
    };
    waiting.set(name, setTimeout(fire, Math.max(GATHER_MS, EVERY_MS - quiet)));
  };
  const stop = (): void => {
    for (const timer of waiting.values()) clearTimeout(timer);
  };
  return { ring, stop };
};

type Sources = {
  readonly queue: PostgresTaskQueue;
  readonly view: LiveView;
  readonly evidence: PostgresEvidenceStore;
  readonly feed: PostgresRulesetFeed;
  readonly log: Log;
};

/** Brings the next look at a rollout forward when evidence or an acknowledgement arrives. Returns what ends that. */
export const hastenLooks = ({ queue, view, evidence, feed, log }: Sources): (() => void) => {
  const { ring, stop } = paced((rollouts) =>
    queue.hasten(rollouts.map(conductTaskId)).catch((error: unknown) => {
      const fields = { rollouts: rollouts.slice(0, 10), of: rollouts.length, error: String(error) };
      log.error('Looks could not be brought forward; the next tick takes them.', fields);
    }),
  );
  const quietEvidence = evidence.onEvidence((rollouts) => rollouts.forEach(ring));
  const quietFeed = feed.onAcknowledged((target) => {
    for (const { rollout } of view.fleet.desired(target)) if (rollout !== null) ring(rollout);
  });
  return () => {
    quietEvidence();
    quietFeed();
    stop();
  };
};
