import {
  MalformedOtlpError,
  micros,
  NO_RECORDED_VALUE,
  TEMPORALITIES,
  type Attributes,
  type AttributeValue,
  type LogRecord,
  type Metric,
  type Point,
  type ResourceLogs,
  type ResourceMetrics,
  type SentAttributes,
  type Wants,
} from './model.js';

type Fields = Readonly<Record<string, unknown>>;

const malformed = (why: string): MalformedOtlpError => new MalformedOtlpError(`The body is no such message: ${why}.`);

/** What is nested too deep for this process is for nobody. */
const guarded = <T>(read: () => T): T => {
  try {
    return read();
  } catch (error) {
    throw error instanceof RangeError ? malformed('it is nested too deep') : error;
  }
};

/** What is left out has its default, as in protobuf. */
const objectIn = (of: Fields, name: string): Fields | undefined => {
  const value = of[name] ?? undefined;
  if (value === undefined) return undefined;
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed(`${name} must be an object`);
  return value as Fields;
};

const listIn = (of: Fields, name: string): readonly unknown[] => {
  const value = of[name] ?? [];
  if (!Array.isArray(value)) throw malformed(`${name} must be a list`);
  return value;
};

const objectsIn = (of: Fields, name: string): readonly Fields[] =>
  listIn(of, name).map((each) => {
    if (typeof each !== 'object' || each === null || Array.isArray(each))
      throw malformed(`${name} must be a list of objects`);
    return each as Fields;
  });

const textIn = (of: Fields, name: string): string => {
  const value = of[name] ?? '';
  if (typeof value !== 'string') throw malformed(`${name} must be text`);
  return value;
};

/** Numbers of 64 bits may come as text or as numbers. */
const numberOf = (value: unknown, name: string): number => {
  const number = typeof value === 'number' ? value : typeof value === 'string' && value !== '' ? Number(value) : NaN;
  if (Number.isNaN(number) && value !== 'NaN') throw malformed(`${name} must be a number`);
  return number;
};
const numberIn = (of: Fields, name: string): number => numberOf(of[name] ?? 0, name);
const numbersIn = (of: Fields, name: string): readonly number[] =>
  listIn(of, name).map((value) => numberOf(value, name));

const anyValue = (value: Fields): AttributeValue => {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = value;
  if (stringValue !== undefined) return textIn(value, 'stringValue');
  if (boolValue !== undefined) return String(boolValue);
  if (intValue !== undefined) return String(intValue);
  if (doubleValue !== undefined) return String(doubleValue);
  if (arrayValue === undefined) return JSON.stringify(value);
  return objectsIn(objectIn(value, 'arrayValue') ?? {}, 'values').map((each) => {
    const inner = anyValue(each);
    return typeof inner === 'string' ? inner : JSON.stringify(inner);
  });
};

const attributesOf = (of: Fields): SentAttributes => {
  const sent = objectsIn(of, 'attributes');
  const read = (): Attributes =>
    guarded(() => new Map(sent.map((each) => [textIn(each, 'key'), anyValue(objectIn(each, 'value') ?? {})])));
  return { id: sent.length === 0 ? '' : JSON.stringify(sent), read };
};

const sent = (of: Fields) => ({
  attributes: attributesOf(of),
  start: micros(numberIn(of, 'startTimeUnixNano')),
  time: micros(numberIn(of, 'timeUnixNano')),
  isGap: (numberIn(of, 'flags') & NO_RECORDED_VALUE) !== 0,
});

const numberPoint = (of: Fields): Point => {
  const value = of['asDouble'] ?? of['asInt'];
  return {
    kind: 'number',
    ...sent(of),
    value: value === undefined ? Number.NaN : numberOf(value, 'asDouble or asInt'),
  };
};

const histogramPoint = (of: Fields): Point => ({
  kind: 'histogram',
  ...sent(of),
  count: numberIn(of, 'count'),
  bounds: numbersIn(of, 'explicitBounds'),
  counts: numbersIn(of, 'bucketCounts'),
});

const exponentialPoint = (of: Fields): Point => {
  const positive = objectIn(of, 'positive') ?? {};
  return {
    kind: 'exponential',
    ...sent(of),
    count: numberIn(of, 'count'),
    scale: numberIn(of, 'scale'),
    zeroCount: numberIn(of, 'zeroCount'),
    offset: numberIn(positive, 'offset'),
    counts: numbersIn(positive, 'bucketCounts'),
    hasNegative: numbersIn(objectIn(of, 'negative') ?? {}, 'bucketCounts').some((count) => count > 0),
  };
};

const KINDS: readonly (readonly [field: string, kind: Metric['kind'], point: (of: Fields) => Point])[] = [
  ['sum', 'sum', numberPoint],
  ['histogram', 'histogram', histogramPoint],
  ['exponentialHistogram', 'exponential', exponentialPoint],
  ['gauge', 'gauge', numberPoint],
  ['summary', 'summary', (of) => ({ kind: 'other', ...sent(of) })],
];

const metricOf = (of: Fields, wants: Wants): readonly Metric[] => {
  const name = textIn(of, 'name');
  if (!wants(name)) return [];
  return KINDS.flatMap(([field, kind, point]) => {
    const data = objectIn(of, field);
    if (data === undefined) return [];
    const temporality = TEMPORALITIES[numberIn(data, 'aggregationTemporality')] ?? 'unspecified';
    const isMonotonic = data['isMonotonic'] === true;
    return [{ name, kind, temporality, isMonotonic, points: objectsIn(data, 'dataPoints').map(point) }];
  });
};

const scopeOf = (of: Fields): string => {
  const scope = objectIn(of, 'scope') ?? {};
  return `${textIn(scope, 'name')}@${textIn(scope, 'version')}`;
};

const bodyOf = (body: Buffer): Fields => {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch {
    throw malformed('it is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw malformed('it must be an object');
  return parsed as Fields;
};

/** A request for `/v1/metrics`. Throws `MalformedOtlpError`. */
export const decodeMetrics = (body: Buffer, wants: Wants): readonly ResourceMetrics[] => {
  const scopeMetricsOf = (scope: Fields) => ({
    scope: scopeOf(scope),
    metrics: objectsIn(scope, 'metrics').flatMap((metric) => metricOf(metric, wants)),
  });
  const resourceOf = (each: Fields) => ({
    resource: attributesOf(objectIn(each, 'resource') ?? {}),
    scopes: objectsIn(each, 'scopeMetrics').map(scopeMetricsOf),
  });
  return guarded(() => objectsIn(bodyOf(body), 'resourceMetrics').map(resourceOf));
};

const recordOf = (of: Fields): LogRecord => {
  const [time, observed] = [numberIn(of, 'timeUnixNano'), numberIn(of, 'observedTimeUnixNano')];
  const mark = [time, observed, textIn(of, 'traceId'), textIn(of, 'spanId')].join(' ');
  return {
    eventName: textIn(of, 'eventName'),
    attributes: attributesOf(of),
    time: micros(time || observed),
    mark,
  };
};

/** A request for `/v1/logs`. Throws `MalformedOtlpError`. */
export const decodeLogs = (body: Buffer): readonly ResourceLogs[] => {
  const resourceOf = (each: Fields) => ({
    resource: attributesOf(objectIn(each, 'resource') ?? {}),
    records: objectsIn(each, 'scopeLogs').flatMap((scope) => objectsIn(scope, 'logRecords').map(recordOf)),
  });
  return guarded(() => objectsIn(bodyOf(body), 'resourceLogs').map(resourceOf));
};
