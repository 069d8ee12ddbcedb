/** Tells listeners in this process which rollouts have new evidence. It carries no evidence: a lost ring does no harm. */
export class EvidenceBell {
  private readonly listeners = new Set<(rollouts: readonly string[]) => void>();

  listen(listener: (rollouts: readonly string[]) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  ring(rollouts: readonly string[]): void {
    if (rollouts.length === 0) return;
    for (const listener of this.listeners) queueMicrotask(() => listener(rollouts));
  }
}
