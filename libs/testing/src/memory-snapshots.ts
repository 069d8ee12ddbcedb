type Snapshot = { readonly look: number; readonly bytes: Buffer };

/** Folded evidence in memory. */
export class MemorySnapshots {
  readonly #snapshots = new Map<string, Snapshot>();

  async read(rollout: string): Promise<Buffer | undefined> {
    return this.#snapshots.get(rollout)?.bytes;
  }

  async write(rollout: string, look: number, bytes: Buffer): Promise<void> {
    if (look > (this.#snapshots.get(rollout)?.look ?? 0)) this.#snapshots.set(rollout, { look, bytes });
  }

  async remove(rollout: string): Promise<void> {
    this.#snapshots.delete(rollout);
  }

  /** Rollouts of which there is a snapshot. */
  get rollouts(): readonly string[] {
    return [...this.#snapshots.keys()];
  }
}
