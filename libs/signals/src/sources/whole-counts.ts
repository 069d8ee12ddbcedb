/** Parts of counts that were not whole so far, by series and by what is counted, with the end of the window last seen. */
export type Remainders = Readonly<Record<string, readonly [part: number, seen: number]>>;

/** Parts of series that were not seen for so long are forgotten. */
const KEPT_MS = 3_600_000;
/** Sums of binary fractions: 0.1 ten times is one. */
const TINY = 1e-9;
/** A source that says nonsense must not make numbers that cannot be added up. */
export const MOST_COUNT = 1e12;

/**
 * A short name for a series, as there may be thousands (two of FNV-1a's 32-bit hashes). Two series that share one would
 * only exchange parts of a request.
 */
const shortName = (key: string): string => {
  let [a, b] = [0x811c9dc5, 0x01000193];
  for (let at = 0; at < key.length; at += 1) {
    const code = key.charCodeAt(at);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ (code + at), 0x01000193);
  }
  return (a >>> 0).toString(36) + (b >>> 0).toString(36);
};

const round = (part: number): number => Math.round(part * 1e6) / 1e6;

/**
 * Makes whole counts of parts, such as Prometheus extrapolates: what is cut off one window is added to the next of the
 * same series, so that over many windows the sum of whole counts stays within one of the sum of parts.
 */
export class WholeCounts {
  readonly #before: Remainders;
  readonly #after = new Map<string, readonly [number, number]>();
  readonly #seen: number;

  constructor(before: Remainders, seen: number) {
    this.#before = before;
    this.#seen = seen;
  }

  /** The whole part of what has come together of this series, at most `most`; the rest is kept. */
  take(series: string, count: number, most = Number.POSITIVE_INFINITY): number {
    const key = shortName(series);
    const together = (this.#before[key]?.[0] ?? 0) + count;
    const whole = Math.min(Math.max(0, Math.floor(together + TINY)), most);
    this.#after.set(key, [round(together - whole), this.#seen]);
    return whole;
  }

  /** What is to be remembered: parts that are nothing are not. */
  remainders(): Remainders {
    const kept = Object.entries(this.#before).filter(
      ([key, [, seen]]) => !this.#after.has(key) && this.#seen - seen <= KEPT_MS,
    );
    return Object.fromEntries([...kept, ...this.#after].filter(([, [part]]) => part !== 0));
  }
}
