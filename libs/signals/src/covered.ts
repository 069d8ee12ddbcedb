/** Windows of instances that take turns, on clocks that differ a little, follow each other without a gap. */
export const TOUCHING_MS = 250;

/** Requests on a target flow as long as there is no longer time without any. */
export const SILENCE_MS = 10_000;

/** Epoch milliseconds. */
export type Span = { readonly from: number; readonly until: number };

const touches = (last: Span, { until }: Span): boolean => until >= last.from - TOUCHING_MS;

const joined = <T extends Span>(last: T, { from }: Span): T => ({
  ...last,
  from: Math.min(last.from, from),
});

/** For each key the last span that its windows cover without a gap. */
export class Covered<T extends Span> {
  readonly #spans = new Map<string, T[]>();

  constructor(private readonly keyOf: (span: T) => string) {}

  add(spans: readonly T[]): void {
    for (const span of spans) {
      const key = this.keyOf(span);
      const known = this.#spans.get(key);
      if (known === undefined) this.#spans.set(key, [span]);
      else known.push(span);
    }
  }

  /** In the order of the keys. */
  sorted(): readonly T[] {
    return [...this.#spans.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, spans]) => spans)
      .map((spans) =>
        spans
          .toSorted((a, b) => b.until - a.until)
          .reduce((last, each) => (touches(last, each) ? joined(last, each) : last)),
      );
  }
}
