/** Wakes whoever listens in this process. A ring carries a hint and may be lost without harm. */
export class Bell<T> {
  readonly #listeners = new Set<(hint: T) => void>();

  /** Returns a function that unsubscribes. */
  listen(listener: (hint: T) => void): () => void {
    // One function may listen twice; each has its own entry.
    const entry = (hint: T) => listener(hint);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** Listeners run on their own: one that throws is reported by the process and harms neither us nor the others. */
  ring(hint: T): void {
    for (const listener of this.#listeners) queueMicrotask(() => listener(hint));
  }
}
