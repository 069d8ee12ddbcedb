import type { ViolationGroup, ViolationsSeen } from '../verdicts/index.js';

/** Config → revision of the changes without which the violation would not have come; none of what is always there. */
export type Cause = Readonly<Record<string, number>>;

type Entry = { readonly at: number; count: number };
type Kept = { readonly cause: Cause; readonly entries: Entry[] };
type Subject = { readonly id: string; readonly config: string; readonly revision: number };

const countSince = (entries: readonly Entry[], since: number): number => {
  let count = 0;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index];
    if (entry === undefined || entry.at < since) break;
    count += entry.count;
  }
  return count;
};

/** Violations of invariants, by target, cause and time: all that were seen, and those of each rollout's candidate. */
export class ViolationLedger {
  readonly #seen = new Map<string, Map<string, Kept>>();

  /** Adds violations at a time; times never go back. `by` is null for all of them, or the rollout whose candidate it was. */
  add(
    signal: string,
    target: string,
    { cause, by, at, count }: { readonly cause: Cause; readonly by: string | null } & Entry,
  ): void {
    const place = this.#place(signal, target, by);
    const key = JSON.stringify(cause);
    const entries = place.get(key)?.entries ?? [];
    place.set(key, { cause, entries });
    const last = entries.at(-1);
    if (last?.at === at) last.count += count;
    else entries.push({ at, count });
  }

  /** What a rollout is told: all on its candidate, and everything else since a time. */
  seenBy({ id, config, revision }: Subject, signal: string, targets: readonly string[], since: number): ViolationsSeen {
    const candidate: ViolationGroup[] = [];
    const elsewhere: ViolationGroup[] = [];
    for (const target of targets) {
      const mine = this.#place(signal, target, id);
      for (const { cause, entries } of mine.values())
        candidate.push({ target, revisions: { ...cause, [config]: revision }, violations: countSince(entries, 0) });
      for (const [key, { cause, entries }] of this.#place(signal, target, null)) {
        const others = countSince(entries, since) - countSince(mine.get(key)?.entries ?? [], since);
        if (others > 0) elsewhere.push({ target, revisions: cause, violations: others });
      }
    }
    return { candidate, elsewhere: elsewhere.filter(({ revisions }) => revisions[config] !== revision) };
  }

  #place(signal: string, target: string, by: string | null): Map<string, Kept> {
    const key = `${signal}\u0000${target}\u0000${by ?? ''}`;
    const known = this.#seen.get(key) ?? new Map<string, Kept>();
    this.#seen.set(key, known);
    return known;
  }
}
