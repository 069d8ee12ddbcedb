import type { JsonObject } from '#libs/kernel';

/** A ruleset as it is served. */
export type RulesetSnapshot = {
  readonly target: string;
  readonly generation: number;
  readonly ruleset: JsonObject;
  /** The ruleset as JSON, the bytes that clients get. */
  readonly text: string;
  /** When it became the newest, epoch ms. */
  readonly appliedAt: number;
};

/** The newest ruleset of every target, in memory: an outage of whatever stands behind it changes nothing. */
export abstract class RulesetFeed {
  abstract current(target: string): RulesetSnapshot | undefined;
  /** Rings with each newer ruleset, in the order of each target's generations. Returns a function that unsubscribes. */
  abstract onChange(listener: (snapshot: RulesetSnapshot) => void): () => void;
}

/** Resolves when the feed has this generation of a target, or a newer one, and after `mostMs` in any case. */
export const arrivalOf = (feed: RulesetFeed, target: string, generation: number, mostMs: number): Promise<void> =>
  new Promise((resolve) => {
    if ((feed.current(target)?.generation ?? 0) >= generation) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      unsubscribe();
      resolve();
    };
    const timer = setTimeout(done, mostMs);
    const unsubscribe = feed.onChange((snapshot) => {
      if (snapshot.target === target && snapshot.generation >= generation) done();
    });
  });

/** Keeps the newest generation of each target and ignores older ones. */
export class RulesetCache extends RulesetFeed {
  private readonly snapshots = new Map<string, RulesetSnapshot>();
  private readonly listeners = new Set<(snapshot: RulesetSnapshot) => void>();

  current(target: string): RulesetSnapshot | undefined {
    return this.snapshots.get(target);
  }

  onChange(listener: (snapshot: RulesetSnapshot) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Takes a snapshot if it is newer; false when it was not. */
  offer(snapshot: RulesetSnapshot): boolean {
    if (this.generation(snapshot.target) >= snapshot.generation) return false;
    this.snapshots.set(snapshot.target, snapshot);
    for (const listener of this.listeners) listener(snapshot);
    return true;
  }

  /** The generation held of a target, 0 when none is. */
  generation(target: string): number {
    return this.snapshots.get(target)?.generation ?? 0;
  }

  /** Target and generation of everything held. */
  held(): readonly (readonly [target: string, generation: number])[] {
    return [...this.snapshots].map(([target, snapshot]) => [target, snapshot.generation]);
  }
}
