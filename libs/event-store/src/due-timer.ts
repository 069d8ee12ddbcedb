import type { Clock } from '#libs/kernel';

/** Node's timers do not reach further; a later ring is set again by whoever looks in between. */
const MAX_MS = 60_000;

/** Rings at the earliest of the times it was told to expect, and at once for one that has come. */
export class DueTimer {
  #next = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly ring: () => void,
  ) {}

  /** Epoch milliseconds. */
  expect(at: number): void {
    this.expectIn(at - this.clock.now());
  }

  /** Milliseconds from now, for times that another clock has given. */
  expectIn(wait: number): void {
    if (wait <= 0) {
      this.ring();
      return;
    }
    const at = this.clock.now() + wait;
    if (at >= this.#next || wait > MAX_MS) return;
    clearTimeout(this.#timer);
    this.#next = at;
    this.#timer = setTimeout(() => {
      this.#next = Number.POSITIVE_INFINITY;
      this.ring();
    }, wait);
    this.#timer.unref();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#next = Number.POSITIVE_INFINITY;
  }
}
