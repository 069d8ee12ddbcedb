import type { JsonObject } from '#libs/kernel';
import { METRICS } from './setting.js';

/** What came of requests that one revision of a config served, or of all requests: how many, bad, and how slow. */
export type Tally = { requests: number; bad: number; readonly firstTokens: number[] };

/** Where a tally belongs; without an arm it is of all requests. */
export type Place = {
  readonly model: string;
  readonly generation: number;
  readonly arm: { readonly config: string; readonly revision: number } | null;
};

type Attributes = Readonly<Record<string, string>>;
type Series = {
  readonly metric: string;
  readonly attributes: readonly JsonObject[];
  readonly start: number;
  readonly sums: number[];
};

const BOUNDS = [50, 100, 200, 400, 800, 1_600, 3_200];

const NONE: readonly number[] = [0, ...BOUNDS.map(() => 0)];

/** How often a process exports, as far as time goes on in such steps. */
const EXPORT_EVERY_MS = 8_000;

const attributesOf = (of: Attributes): JsonObject[] =>
  Object.entries(of).map(([key, stringValue]) => ({ key, value: { stringValue } }));

const nanos = (ms: number): string => `${Math.round(ms)}000000`;

/** In which bucket of the histogram a value falls. */
export const bucketOf = (value: number): number => {
  const place = BOUNDS.findIndex((bound) => value <= bound);
  return place < 0 ? BOUNDS.length : place;
};

/**
 * The meter of one process: what OpenTelemetry's SDKs would export. Some export sums since they began, others what came
 * since the last export; some name the version of the ruleset, others do not; and one names no variant at all.
 */
export class Meter {
  readonly #series = new Map<string, Series>();
  #since: number;

  constructor(
    private readonly resource: Attributes,
    readonly style: { readonly isDelta: boolean; readonly namesVersion: boolean; readonly namesArms: boolean },
    now: number,
  ) {
    this.#since = now;
  }

  add({ model, generation, arm }: Place, { requests, bad, firstTokens }: Tally, now: number): void {
    if (requests === 0) return;
    const version: Attributes = this.style.namesVersion ? { 'feature_flag.version': String(generation) } : {};
    const variant: Attributes =
      arm && this.style.namesArms
        ? { 'feature_flag.key': arm.config, 'feature_flag.result.variant': `r${arm.revision}`, ...version }
        : {};
    const of: Attributes = { 'gen_ai.request.model': model, ...variant };
    const metric = arm ? METRICS.gateway : METRICS.front;
    this.#count(metric, { ...of, outcome: 'ok' }, [requests - bad], now);
    if (bad > 0) this.#count(metric, { ...of, outcome: 'bad' }, [bad], now);
    if (arm) this.#count(METRICS.firstToken, of, firstTokens, now);
  }

  /** The body of one export, where one is due. */
  export(now: number): Buffer | undefined {
    if (this.#series.size === 0 || now - this.#since < EXPORT_EVERY_MS) return undefined;
    const metrics = Object.values(METRICS).flatMap((name) => {
      const own = [...this.#series.values()].filter(({ metric }) => metric === name);
      return own.length === 0 ? [] : [this.#metric(name, own, now)];
    });
    if (this.style.isDelta) this.#series.clear();
    this.#since = now;
    const resource = { attributes: attributesOf(this.resource) };
    const body = { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: 'fleet' }, metrics }] }] };
    return Buffer.from(JSON.stringify(body));
  }

  #count(metric: string, of: Attributes, added: readonly number[], now: number): void {
    const key = `${metric} ${Object.values(of).join(' ')}`;
    const start = this.style.isDelta ? this.#since : now - 1;
    const known = this.#series.get(key) ?? { metric, attributes: attributesOf(of), start, sums: [] };
    this.#series.set(key, known);
    for (const [place, count] of added.entries()) known.sums[place] = (known.sums[place] ?? 0) + count;
  }

  #metric(name: string, series: readonly Series[], now: number): JsonObject {
    const isOfValues = name === METRICS.firstToken;
    const dataPoints = series.map(({ attributes, start, sums }): JsonObject => {
      const count = sums.reduce((sum, each) => sum + each, 0);
      const times = { startTimeUnixNano: nanos(start), timeUnixNano: nanos(now) };
      const told: JsonObject = isOfValues
        ? { count: String(count), bucketCounts: sums.map(String), explicitBounds: BOUNDS }
        : { asInt: String(count) };
      return { attributes, ...times, ...told };
    });
    const aggregationTemporality = this.style.isDelta ? 1 : 2;
    return isOfValues
      ? { name, histogram: { aggregationTemporality, dataPoints } }
      : { name, sum: { aggregationTemporality, isMonotonic: true, dataPoints } };
  }
}

export const noTally = (): Tally => ({ requests: 0, bad: 0, firstTokens: NONE.slice() });
