import {
  micros,
  NO_RECORDED_VALUE,
  TEMPORALITIES,
  type LogRecord,
  type Metric,
  type Point,
  type ResourceLogs,
  type ResourceMetrics,
  type SentAttributes,
  type Wants,
} from './model.js';
import {
  AttributeBytes,
  closeAt,
  DELIMITED,
  decodeWith,
  eachField,
  endOf,
  fixed64,
  FIXED64,
  numbers,
  sfixed64,
  uint64,
  VARINT,
  type Reader,
} from './wire.js';

// Numbers of fields are those of opentelemetry-proto, metrics/v1 and logs/v1.

type PointReader = (reader: Reader, end: number) => Point;
type Kind = Metric['kind'];

const attributesOf = (reader: Reader, end: number): SentAttributes => {
  const attributes = new AttributeBytes(reader);
  eachField(reader, end, (field, wire) => field === 1 && wire === DELIMITED && attributes.note());
  return attributes;
};

/** What all points have, each kind under numbers of its own. */
type Head = { start: number; time: number; flags: number };

const takeHead = (reader: Reader, head: Head, field: number, wire: number, flagsField: number): boolean => {
  if (field === 2 && wire === FIXED64) head.start = micros(fixed64(reader));
  else if (field === 3 && wire === FIXED64) head.time = micros(fixed64(reader));
  else if (field === flagsField && wire === VARINT) head.flags = reader.uint32();
  else return false;
  return true;
};

const sent = ({ start, time, flags }: Head, attributes: SentAttributes) => ({
  attributes,
  start,
  time,
  isGap: (flags & NO_RECORDED_VALUE) !== 0,
});

/** Most points are such: read without a call for each of their fields. */
const numberPoint: PointReader = (reader, end) => {
  const attributes = new AttributeBytes(reader);
  let [start, time, flags, value] = [0, 0, 0, Number.NaN];
  while (reader.pos < end) {
    const tag = reader.tag();
    if (tag === ((7 << 3) | DELIMITED)) attributes.note();
    else if (tag === ((2 << 3) | FIXED64)) start = micros(fixed64(reader));
    else if (tag === ((3 << 3) | FIXED64)) time = micros(fixed64(reader));
    else if (tag === ((6 << 3) | FIXED64)) value = sfixed64(reader);
    else if (tag === ((4 << 3) | FIXED64)) value = reader.double();
    else if (tag === ((8 << 3) | VARINT)) flags = reader.uint32();
    else reader.skipType(tag & 7);
  }
  closeAt(reader, end);
  return { kind: 'number', attributes, start, time, isGap: (flags & NO_RECORDED_VALUE) !== 0, value };
};

const histogramPoint: PointReader = (reader, end) => {
  const head: Head = { start: 0, time: 0, flags: 0 };
  const attributes = new AttributeBytes(reader);
  const [counts, bounds]: [number[], number[]] = [[], []];
  let count = 0;
  eachField(reader, end, (field, wire) => {
    if (field === 9 && wire === DELIMITED) return attributes.note();
    if (field === 4 && wire === FIXED64) count = fixed64(reader);
    else if (field === 6) numbers(reader, wire, fixed64, counts);
    else if (field === 7) numbers(reader, wire, (from) => from.double(), bounds);
    else return takeHead(reader, head, field, wire, 10);
    return true;
  });
  return { kind: 'histogram', ...sent(head, attributes), count, bounds, counts };
};

const bucketsOf = (reader: Reader, end: number): { readonly offset: number; readonly counts: readonly number[] } => {
  const counts: number[] = [];
  let offset = 0;
  eachField(reader, end, (field, wire) => {
    if (field === 1 && wire === VARINT) offset = reader.sint32();
    else if (field === 2) numbers(reader, wire, uint64, counts);
    else return false;
    return true;
  });
  return { offset, counts };
};

const exponentialPoint: PointReader = (reader, end) => {
  const head: Head = { start: 0, time: 0, flags: 0 };
  const attributes = new AttributeBytes(reader);
  let [count, scale, zeroCount] = [0, 0, 0];
  let positive: ReturnType<typeof bucketsOf> = { offset: 0, counts: [] };
  let hasNegative = false;
  eachField(reader, end, (field, wire) => {
    if (field === 1 && wire === DELIMITED) return attributes.note();
    if (field === 4 && wire === FIXED64) count = fixed64(reader);
    else if (field === 6 && wire === VARINT) scale = reader.sint32();
    else if (field === 7 && wire === FIXED64) zeroCount = fixed64(reader);
    else if (field === 8 && wire === DELIMITED) positive = bucketsOf(reader, endOf(reader));
    else if (field === 9 && wire === DELIMITED)
      hasNegative = bucketsOf(reader, endOf(reader)).counts.some((each) => each > 0);
    else return takeHead(reader, head, field, wire, 10);
    return true;
  });
  return { kind: 'exponential', ...sent(head, attributes), count, scale, zeroCount, ...positive, hasNegative };
};

const summaryPoint: PointReader = (reader, end) => {
  const head: Head = { start: 0, time: 0, flags: 0 };
  const attributes = new AttributeBytes(reader);
  eachField(reader, end, (field, wire) =>
    field === 7 && wire === DELIMITED ? attributes.note() : takeHead(reader, head, field, wire, 8),
  );
  return { kind: 'other', ...sent(head, attributes) };
};

/** Field of a metric → what it is then. */
const KINDS: Readonly<Record<number, readonly [kind: Kind, point: PointReader]>> = {
  5: ['gauge', numberPoint],
  7: ['sum', numberPoint],
  9: ['histogram', histogramPoint],
  10: ['exponential', exponentialPoint],
  11: ['summary', summaryPoint],
};

const dataOf = (reader: Reader, end: number, name: string, [kind, point]: readonly [Kind, PointReader]): Metric => {
  const points: Point[] = [];
  let temporality: Metric['temporality'] = 'unspecified';
  let isMonotonic = false;
  eachField(reader, end, (field, wire) => {
    if (field === 1 && wire === DELIMITED) points.push(point(reader, endOf(reader)));
    else if (field === 2 && wire === VARINT) temporality = TEMPORALITIES[reader.uint32()] ?? 'unspecified';
    else if (field === 3 && wire === VARINT) isMonotonic = reader.bool();
    else return false;
    return true;
  });
  return { name, kind, temporality, isMonotonic, points };
};

/** Undefined where nothing asks for it, or where it has no points. */
const metricOf = (reader: Reader, end: number, wants: Wants): Metric | undefined => {
  let name = '';
  let data: { readonly from: number; readonly to: number; readonly kind: readonly [Kind, PointReader] } | undefined;
  eachField(reader, end, (field, wire) => {
    const kind = wire === DELIMITED ? KINDS[field] : undefined;
    if (kind) {
      const to = endOf(reader);
      data = { from: reader.pos, to, kind };
      reader.pos = to;
    } else if (field === 1 && wire === DELIMITED) name = reader.string();
    else return false;
    return true;
  });
  if (data === undefined || !wants(name)) return undefined;
  reader.pos = data.from;
  const metric = dataOf(reader, data.to, name, data.kind);
  reader.pos = end;
  return metric;
};

const scopeOf = (reader: Reader, end: number): string => {
  const parts: [name: string, version: string] = ['', ''];
  eachField(reader, end, (field, wire) => {
    if ((field !== 1 && field !== 2) || wire !== DELIMITED) return false;
    parts[field - 1] = reader.string();
    return true;
  });
  return parts.join('@');
};

const scopeMetricsOf = (reader: Reader, end: number, wants: Wants): ResourceMetrics['scopes'][number] => {
  const metrics: Metric[] = [];
  let scope = '@';
  eachField(reader, end, (field, wire) => {
    if (wire !== DELIMITED) return false;
    if (field === 1) scope = scopeOf(reader, endOf(reader));
    else if (field === 2) {
      const metric = metricOf(reader, endOf(reader), wants);
      if (metric) metrics.push(metric);
    } else return false;
    return true;
  });
  return { scope, metrics };
};

const NO_ATTRIBUTES: SentAttributes = { id: '', read: () => new Map() };

/** A request for `/v1/metrics`. Throws `MalformedOtlpError`. */
export const decodeMetrics = (body: Buffer, wants: Wants): readonly ResourceMetrics[] => {
  const resourceOf = (reader: Reader, end: number): ResourceMetrics => {
    const scopes: ResourceMetrics['scopes'][number][] = [];
    let resource = NO_ATTRIBUTES;
    eachField(reader, end, (field, wire) => {
      if (wire !== DELIMITED) return false;
      if (field === 1) resource = attributesOf(reader, endOf(reader));
      else if (field === 2) scopes.push(scopeMetricsOf(reader, endOf(reader), wants));
      else return false;
      return true;
    });
    return { resource, scopes };
  };
  return repeated(body, resourceOf);
};

/** The messages of field 1, which is all that requests have. */
const repeated = <T>(body: Buffer, read: (reader: Reader, end: number) => T): readonly T[] =>
  decodeWith(body, (reader, all) => {
    const found: T[] = [];
    eachField(reader, all, (field, wire) => {
      if (field !== 1 || wire !== DELIMITED) return false;
      found.push(read(reader, endOf(reader)));
      return true;
    });
    return found;
  });

const recordOf = (reader: Reader, end: number): LogRecord => {
  const attributes = new AttributeBytes(reader);
  const ids: [string, string] = ['', ''];
  let [time, observed, eventName] = [0, 0, ''];
  eachField(reader, end, (field, wire) => {
    if (field === 6 && wire === DELIMITED) return attributes.note();
    if (field === 1 && wire === FIXED64) time = fixed64(reader);
    else if (field === 11 && wire === FIXED64) observed = fixed64(reader);
    else if (field === 12 && wire === DELIMITED) eventName = reader.string();
    else if ((field === 9 || field === 10) && wire === DELIMITED)
      ids[field - 9] = Buffer.from(reader.bytes()).toString('hex');
    else return false;
    return true;
  });
  const mark = [time, observed, ...ids].join(' ');
  return { eventName, attributes, time: micros(time || observed), mark };
};

/** A request for `/v1/logs`. Throws `MalformedOtlpError`. */
export const decodeLogs = (body: Buffer): readonly ResourceLogs[] =>
  repeated(body, (reader, end) => {
    const records: LogRecord[] = [];
    let resource = NO_ATTRIBUTES;
    const scopeLogs = (scopeEnd: number): void =>
      eachField(reader, scopeEnd, (field, wire) => {
        if (field !== 2 || wire !== DELIMITED) return false;
        records.push(recordOf(reader, endOf(reader)));
        return true;
      });
    eachField(reader, end, (field, wire) => {
      if (wire !== DELIMITED) return false;
      if (field === 1) resource = attributesOf(reader, endOf(reader));
      else if (field === 2) scopeLogs(endOf(reader));
      else return false;
      return true;
    });
    return { resource, records };
  });
