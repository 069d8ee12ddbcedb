/** Violations of invariants, by target and time: all that were seen, and those of each rollout's candidate. */
export class ViolationLedger {
  readonly #seen = new Map<string, { readonly at: number; count: number }[]>();

  /** Adds violations at a time; times never go back. `by` is null for all of them, or the rollout whose candidate it was. */
  add(signal: string, target: string, by: string | null, at: number, count: number): void {
    const key = `${signal}\u0000${target}\u0000${by ?? ''}`;
    const list = this.#seen.get(key) ?? [];
    const last = list.at(-1);
    if (last?.at === at) last.count += count;
    else list.push({ at, count });
    this.#seen.set(key, list);
  }

  countSince(signal: string, target: string, by: string | null, since: number): number {
    const list = this.#seen.get(`${signal}\u0000${target}\u0000${by ?? ''}`) ?? [];
    let count = 0;
    for (let index = list.length - 1; index >= 0; index -= 1) {
      const entry = list[index];
      if (entry === undefined || entry.at < since) break;
      count += entry.count;
    }
    return count;
  }
}
