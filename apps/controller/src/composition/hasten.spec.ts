import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { hastenLooks } from './hasten.js';

type Sources = Parameters<typeof hastenLooks>[0];

/** Evidence of each rollout comes every 50 ms for `ms`; gives how often each was hastened. */
const hastened = async (rollouts: number, ms: number): Promise<readonly number[]> => {
  const counts = new Map<string, number>();
  let bell: (names: readonly string[]) => void = () => undefined;
  const sources = {
    queue: {
      hasten: (ids: readonly string[]) => {
        for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
        return Promise.resolve();
      },
    },
    view: { fleet: { desired: () => [] } },
    evidence: {
      onEvidence: (listener: typeof bell) => {
        bell = listener;
        return () => undefined;
      },
    },
    feed: { onAcknowledged: () => () => undefined },
    log: { error: () => undefined },
  } as unknown as Sources;
  const stop = hastenLooks(sources);
  const names = Array.from({ length: rollouts }, (_, n) => `r${n}`);
  for (let at = 0; at < ms; at += 50) {
    bell(names);
    await vi.advanceTimersByTimeAsync(50);
  }
  stop();
  return [...counts.values()];
};

describe('evidence that comes all the time', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it.each([5, 300])('of %i rollouts brings the look at each forward some five times a second', async (rollouts) => {
    const counts = await hastened(rollouts, 10_000);
    expect(counts).toHaveLength(rollouts);
    for (const count of counts) {
      expect(count).toBeGreaterThanOrEqual(38);
      expect(count).toBeLessThanOrEqual(51);
    }
  });
});
