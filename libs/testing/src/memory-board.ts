/** The newest progress of each rollout, in memory. An older one never replaces a newer one. */
export class MemoryProgressBoard<P extends { readonly at: number }> {
  readonly #progress = new Map<string, P>();

  async put(rollout: string, progress: P): Promise<void> {
    if ((this.#progress.get(rollout)?.at ?? 0) <= progress.at) this.#progress.set(rollout, progress);
  }

  async get(rollouts: readonly string[]): Promise<ReadonlyMap<string, P>> {
    return new Map([...this.#progress].filter(([rollout]) => rollouts.includes(rollout)));
  }

  async times(rollouts: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return new Map([...(await this.get(rollouts))].map(([rollout, { at }]) => [rollout, at]));
  }
}
