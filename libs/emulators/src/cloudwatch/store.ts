/** A sample: a value and how often it was measured. */
export type Sample = { readonly value: number; readonly count: number };
export type Dimension = { readonly Name: string; readonly Value: string };

/** What is kept of one metric in one second; of statistics that were put as such, only those are known. */
export type Measured = {
  readonly at: number;
  readonly samples: readonly Sample[];
  readonly statistics?: { readonly sum: number; readonly count: number; readonly least: number; readonly most: number };
};

const KEPT_MS = 15 * 24 * 3_600_000;

const keyOf = (namespace: string, metric: string, dimensions: readonly Dimension[]): string =>
  JSON.stringify([
    namespace,
    metric,
    dimensions.map(({ Name, Value }) => [Name, Value]).toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  ]);

/** Metrics by namespace, name and exactly these dimensions. */
export class MetricStore {
  readonly #metrics = new Map<string, Measured[]>();

  put(namespace: string, metric: string, dimensions: readonly Dimension[], measured: Measured): void {
    const key = keyOf(namespace, metric, dimensions);
    const known = this.#metrics.get(key) ?? [];
    const kept = known.filter(({ at }) => measured.at - at < KEPT_MS);
    this.#metrics.set(key, [...kept, measured]);
  }

  /** What was measured from `from` until before `until`. */
  read(
    namespace: string,
    metric: string,
    dimensions: readonly Dimension[],
    from: number,
    until: number,
  ): readonly Measured[] {
    const known = this.#metrics.get(keyOf(namespace, metric, dimensions)) ?? [];
    return known.filter(({ at }) => at >= from && at < until);
  }
}

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0);

const percentile = (samples: readonly Sample[], share: number): number | undefined => {
  const sorted = samples.toSorted((a, b) => a.value - b.value);
  const wanted = share * sumOf(sorted.map(({ count }) => count));
  let seen = 0;
  for (const { value, count } of sorted) {
    seen += count;
    if (seen >= wanted) return value;
  }
  return sorted.at(-1)?.value;
};

/** One statistic of a period; undefined where it cannot be known, such as a percentile of statistics. */
export const statisticOf = (measured: readonly Measured[], stat: string): number | undefined => {
  if (measured.length === 0) return undefined;
  const samples = measured.flatMap((one) => one.samples);
  const statistics = measured.flatMap((one) => (one.statistics === undefined ? [] : [one.statistics]));
  const count = sumOf([...samples.map((one) => one.count), ...statistics.map((one) => one.count)]);
  const sum = sumOf([...samples.map((one) => one.value * one.count), ...statistics.map((one) => one.sum)]);
  switch (stat) {
    case 'SampleCount':
      return count;
    case 'Sum':
      return sum;
    case 'Average':
      return count === 0 ? undefined : sum / count;
    case 'Minimum':
      return Math.min(...samples.map(({ value }) => value), ...statistics.map(({ least }) => least));
    case 'Maximum':
      return Math.max(...samples.map(({ value }) => value), ...statistics.map(({ most }) => most));
    default:
      return statistics.length > 0 ? undefined : percentile(samples, Number(stat.slice(1)) / 100);
  }
};
