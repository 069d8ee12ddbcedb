import type { Evidence } from '../ports.js';

/** What is lately: long enough that a target with little traffic has some. */
const SPAN_MS = 300_000;
/** Read again no more often than this, whatever number of rollouts asks. */
const KEPT_MS = 10_000;
/** Where there was none yet, there may be some soon. */
const EMPTY_MS = 1_000;

type PerTarget = Readonly<Record<string, number>>;

/** Traffic of every target, shared by all who ask. */
export class RecentTraffic {
  #kept: { until: number; readonly read: Promise<PerTarget> } | undefined;

  constructor(private readonly evidence: Pick<Evidence, 'traffic'>) {}

  /** Target → requests per second lately. Nothing where it cannot be read: a rollback does not wait for it. */
  perSecond(now: number): Promise<PerTarget> {
    if (this.#kept !== undefined && now < this.#kept.until) return this.#kept.read;
    const kept = { until: now + KEPT_MS, read: this.#read(now).catch(() => ({})) };
    this.#kept = kept;
    void kept.read.then((rates) => {
      if (Object.keys(rates).length === 0) kept.until = now + EMPTY_MS;
    });
    return kept.read;
  }

  async #read(now: number): Promise<PerTarget> {
    const { requests } = await this.evidence.traffic({ now, spanMs: SPAN_MS });
    const rates = new Map<string, number>();
    for (const { target, requestsPerSecond } of requests)
      rates.set(target, (rates.get(target) ?? 0) + requestsPerSecond);
    return Object.fromEntries(rates);
  }
}
