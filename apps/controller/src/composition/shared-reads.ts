import type { Delivery } from '#libs/application';

type Read = Awaited<ReturnType<Delivery['read']>>;

/** Whoever asks within this is told what was read last: each read of another platform is calls there, and may cost. */
const KEPT_MS = 1_000;
/** A platform that does not answer is asked less and less often, down to this. */
const MOST_REST_MS = 30_000;

type Kept = { readonly until: number; readonly read: Promise<Read>; readonly failures: number };

/** Reads of targets on other platforms, shared for a moment by all who ask. */
export class SharedReads {
  readonly #kept = new Map<string, Kept>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Something was written there: what was read before says nothing now. */
  forget(target: string): void {
    this.#kept.delete(target);
  }

  /** Rejects as the last read did, while a platform that does not answer is left alone. */
  read(target: string, ask: () => Promise<Read>): Promise<Read> {
    const kept = this.#kept.get(target);
    if (kept && this.#now() < kept.until) return kept.read;
    const read = ask();
    const failures = kept?.failures ?? 0;
    // As long as it is under way, nobody asks again: a platform that hangs is asked once in its driver's time limit.
    const mine: Kept = { until: Number.POSITIVE_INFINITY, read, failures };
    this.#kept.set(target, mine);
    read.then(
      () => this.#settle(target, mine, 0),
      () => this.#settle(target, mine, failures + 1),
    );
    return read;
  }

  #settle(target: string, mine: Kept, failures: number): void {
    if (this.#kept.get(target) !== mine) return;
    const rest = Math.min(MOST_REST_MS, KEPT_MS * 2 ** Math.min(failures, 10));
    this.#kept.set(target, { ...mine, failures, until: this.#now() + rest });
  }
}
