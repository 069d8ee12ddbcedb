import type { z } from 'zod';
import type { EmulatedAnswer, EmulatedRequest } from '../answer.js';
import type { Fault } from '../faults.js';
import { aggregate, type Series, type Value } from './align.js';
import { readFilter } from './filter.js';
import { CreateTimeSeries, ListQuery } from './shapes.js';

const PATH = /^\/v3\/projects\/([^/]+)\/timeSeries$/;
const KEPT_MS = 25 * 3_600_000;
const MOST_FUTURE_MS = 300_000;

const answer = (status: number, body: unknown): EmulatedAnswer => ({
  kind: 'answer',
  status,
  headers: { 'content-type': 'application/json; charset=UTF-8' },
  body: JSON.stringify(body),
});

const fail = (code: number, status: string, message: string): EmulatedAnswer =>
  answer(code, { error: { code, message, status } });

const invalid = (message: string): EmulatedAnswer => fail(400, 'INVALID_ARGUMENT', message);

const wordsOf = (error: z.ZodError): string => {
  const [issue] = error.issues;
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`;
};

const one = (parameters: URLSearchParams, name: string): string | undefined => parameters.get(name) ?? undefined;

const readQuery = (parameters: URLSearchParams): ReturnType<typeof ListQuery.safeParse> =>
  ListQuery.safeParse({
    filter: one(parameters, 'filter'),
    end: one(parameters, 'interval.endTime'),
    start: one(parameters, 'interval.startTime') ?? one(parameters, 'interval.endTime'),
    alignmentPeriod: one(parameters, 'aggregation.alignmentPeriod'),
    aligner: one(parameters, 'aggregation.perSeriesAligner'),
    reducer: one(parameters, 'aggregation.crossSeriesReducer'),
    groupBy: parameters.getAll('aggregation.groupByFields'),
    pageSize: one(parameters, 'pageSize'),
    pageToken: one(parameters, 'pageToken'),
  });

const valueOf = (value: Value, type: string): unknown => {
  if (typeof value === 'number') return type === 'INT64' ? { int64Value: String(value) } : { doubleValue: value };
  const { count, bucketCounts, ...rest } = value;
  return { distributionValue: { ...rest, count: String(count), bucketCounts: bucketCounts.map(String) } };
};

const shown = ({ metric, resource, metricKind, valueType, points }: Series): unknown => ({
  metric,
  resource,
  metricKind,
  valueType,
  points: points.map(({ start, end, value }) => ({
    interval: { startTime: new Date(start).toISOString(), endTime: new Date(end).toISOString() },
    value: valueOf(value, valueType),
  })),
});

const keyOf = (project: string, { metric, resource }: Pick<Series, 'metric' | 'resource'>): string => {
  const sorted = (labels: Readonly<Record<string, string>>) => Object.entries(labels).toSorted();
  return JSON.stringify([project, metric.type, sorted(metric.labels), resource.type, sorted(resource.labels)]);
};

type Written = z.output<typeof CreateTimeSeries>['timeSeries'][number];

/** Cloud Monitoring as far as time series are created and listed: REST v3. */
export class Monitoring {
  readonly #series = new Map<string, { readonly project: string; readonly series: Series }>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  isMeant({ pathname }: URL): boolean {
    return PATH.test(decodeURIComponent(pathname));
  }

  answer({ method, url, headers, body }: EmulatedRequest, fault: () => Fault | undefined): EmulatedAnswer {
    const project = PATH.exec(decodeURIComponent(url.pathname))?.[1] ?? '';
    if (!/^Bearer .+/.test(headers['authorization'] ?? ''))
      return fail(401, 'UNAUTHENTICATED', 'Request is missing required authentication credential.');
    if (method === 'GET') return this.#list(project, url.searchParams, fault());
    if (method !== 'POST') return fail(404, 'NOT_FOUND', 'There is no such method.');
    try {
      return this.#create(project, JSON.parse(body));
    } catch (error) {
      if (error instanceof SyntaxError) return invalid('The body is no JSON.');
      throw error;
    }
  }

  #create(project: string, input: unknown): EmulatedAnswer {
    const read = CreateTimeSeries.safeParse(input);
    if (!read.success) return invalid(wordsOf(read.error));
    const faults = read.data.timeSeries.flatMap((written, index) => {
      const words = this.#write(project, written);
      return words === undefined ? [] : [`timeSeries[${index}]: ${words}`];
    });
    return faults.length === 0 ? answer(200, {}) : invalid(faults.join('; '));
  }

  /** Gives why it was not written; the others are. */
  #write(project: string, written: Written): string | undefined {
    const [point] = written.points;
    if (!point) return 'no point';
    const { startTime, endTime } = point.interval;
    const metricKind = written.metricKind ?? 'GAUGE';
    const start = startTime ?? endTime;
    if (endTime > this.#now() + MOST_FUTURE_MS || endTime < this.#now() - KEPT_MS)
      return 'the end of the interval must be within 25 hours before and five minutes after now';
    if (metricKind === 'GAUGE' ? start !== endTime : start >= endTime)
      return 'the interval does not fit the kind of the metric';
    const key = keyOf(project, written);
    const known = this.#series.get(key)?.series;
    const last = known?.points.at(-1);
    if (last && endTime <= last.end) return 'points must be written in order: one with this or a later end is there';
    if (last && metricKind === 'DELTA' && start < last.end) return 'the interval overlaps the one before';
    const { value } = point;
    const [valueType, given]: readonly [string, Value] =
      'int64Value' in value
        ? ['INT64', value.int64Value]
        : 'doubleValue' in value
          ? ['DOUBLE', value.doubleValue]
          : ['DISTRIBUTION', value.distributionValue];
    if ((written.valueType ?? valueType) !== valueType || (known && known.valueType !== valueType))
      return `the value is not of type ${known?.valueType ?? written.valueType ?? ''}`;
    const { metric, resource } = written;
    const kept = (known?.points ?? []).filter(({ end }) => endTime - end < KEPT_MS);
    const points = [...kept, { start, end: endTime, value: given }];
    this.#series.set(key, { project, series: { metric, resource, metricKind, valueType, points } });
    return undefined;
  }

  #list(project: string, parameters: URLSearchParams, fault: Fault | undefined): EmulatedAnswer {
    const broken = brokenAnswer(fault);
    if (broken) return broken;
    const read = readQuery(parameters);
    if (!read.success) return invalid(wordsOf(read.error));
    const query = read.data;
    if (query.start > query.end) return invalid('interval.startTime must not be after interval.endTime.');
    const filter = readFilter(query.filter);
    if (typeof filter === 'string') return invalid(filter);
    if (fault === 'empty') return answer(200, {});
    const own = [...this.#series.values()].flatMap((kept) =>
      kept.project === project && filter.fits(kept.series) ? [kept.series] : [],
    );
    const offset = Number(query.pageToken ?? 0);
    if (!Number.isSafeInteger(offset) || offset < 0) return invalid('The page token is not one that was given out.');
    try {
      const all = aggregate(own, query);
      const page = all.slice(offset, offset + query.pageSize);
      const isLast = offset + query.pageSize >= all.length;
      return answer(200, {
        ...(page.length === 0 ? {} : { timeSeries: page.map(shown) }),
        ...(isLast ? {} : { nextPageToken: String(offset + query.pageSize) }),
        ...(fault === 'partial'
          ? { executionErrors: [{ code: 4, message: 'A part could not be read in time.' }] }
          : {}),
      });
    } catch (error) {
      return invalid(error instanceof Error ? error.message : String(error));
    }
  }
}

const brokenAnswer = (fault: Fault | undefined): EmulatedAnswer | undefined => {
  switch (fault) {
    case 'timeout':
      return { kind: 'hang' };
    case 'throttled':
      return fail(429, 'RESOURCE_EXHAUSTED', 'Quota exceeded for quota metric of time series queries.');
    case 'server-error':
      return fail(500, 'INTERNAL', 'An internal error occurred.');
    case 'unavailable':
      return { kind: 'answer', status: 503, headers: { 'content-type': 'text/html' }, body: '<html>503</html>' };
    case 'expired-credentials':
      return fail(401, 'UNAUTHENTICATED', 'Request had invalid authentication credentials.');
    case 'forbidden':
      return fail(403, 'PERMISSION_DENIED', 'Permission monitoring.timeSeries.list denied.');
    case 'nonsense':
      return answer(200, { timeSeries: [{ metric: 7, points: [{ value: { int64Value: 'many' } }] }] });
    case 'cut-off':
      return { ...answer(200, { timeSeries: [] }), isCutOff: true } as EmulatedAnswer;
    default:
      return undefined;
  }
};
