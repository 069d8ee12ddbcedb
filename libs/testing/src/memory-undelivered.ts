/** Targets to which nothing can be delivered, without a database. */
export class MemoryUndelivered<F extends { readonly since: number }> {
  readonly #failing = new Map<string, F>();

  async fails(target: string, failing: F): Promise<boolean> {
    const before = this.#failing.get(target);
    this.#failing.set(target, { ...failing, since: before?.since ?? failing.since });
    return before === undefined;
  }

  async arrived(targets: readonly string[]): Promise<readonly string[]> {
    return targets.filter((target) => this.#failing.delete(target));
  }

  async all(): Promise<ReadonlyMap<string, F>> {
    return new Map(this.#failing);
  }
}
