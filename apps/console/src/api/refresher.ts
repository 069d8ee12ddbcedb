import type { QueryClient } from '@tanstack/react-query';
import type { Touched } from './touched.js';

/** What is shown is read again this often at most, however much happens. */
const LEAST_GAP_MS = 1_000;
/** A read that takes long is done less often: at most this part of the time is spent on it. */
const BUSY_PART = 4;

/** Collects what events have made old and has it read again: at once when it is quiet, in turns when much happens. */
export class Refresher {
  readonly #client: QueryClient;
  readonly #dirty = new Map<string, Touched>();
  readonly #notBefore = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(client: QueryClient) {
    this.#client = client;
  }

  touch(keys: readonly Touched[]): void {
    for (const key of keys) this.#dirty.set(key.join('\u0000'), key);
    if (this.#dirty.size > 0) this.#timer ??= setTimeout(() => this.#flush(), 60);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#dirty.clear();
  }

  #flush(): void {
    this.#timer = undefined;
    const now = performance.now();
    let next = Number.POSITIVE_INFINITY;
    for (const [name, queryKey] of this.#dirty) {
      const notBefore = this.#notBefore.get(name) ?? 0;
      // A read that is under way may have begun before the event: it is asked again when it is done.
      const isReading = this.#client.isFetching({ queryKey }) > 0;
      if (notBefore > now || isReading) {
        next = Math.min(next, Math.max(notBefore - now, 100));
        continue;
      }
      this.#dirty.delete(name);
      this.#notBefore.set(name, now + LEAST_GAP_MS);
      void this.#client.invalidateQueries({ queryKey }).then(() => {
        const tookMs = performance.now() - now;
        this.#notBefore.set(name, performance.now() + Math.max(LEAST_GAP_MS, tookMs * BUSY_PART));
      });
    }
    if (this.#dirty.size > 0) this.#timer = setTimeout(() => this.#flush(), next);
    if (this.#notBefore.size > 2_000) this.#notBefore.clear();
  }
}
