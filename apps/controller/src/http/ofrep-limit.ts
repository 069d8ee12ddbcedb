import { ProblemError } from './problem.js';

type Bucket = { left: number; at: number };

/** How many calls of OFREP each token may make in a second, over bursts of one second; 0 for no limit. */
export class OfrepLimit {
  readonly #buckets = new Map<string, Bucket>();

  constructor(
    private readonly perSecond: number,
    private readonly now: () => number,
  ) {}

  /** Counts a call of a token. Throws the problem (429) that says when to come again. */
  count(token: string): void {
    if (this.perSecond === 0) return;
    const now = this.now();
    const bucket = this.#buckets.get(token) ?? { left: this.perSecond, at: now };
    this.#buckets.set(token, bucket);
    bucket.left = Math.min(this.perSecond, bucket.left + ((now - bucket.at) * this.perSecond) / 1_000);
    bucket.at = now;
    if (bucket.left < 1)
      throw new ProblemError(
        'too-many-requests',
        `This token asks for more than ${this.perSecond} evaluations a second: come again later, evaluate in process, or raise HEADGATE_OFREP_RATE.`,
        [],
        { 'retry-after': '1' },
      );
    bucket.left -= 1;
  }
}
