import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, it } from 'vitest';
import { encodeAnswer, encodeStatus } from './answers.js';
import * as json from './json.js';
import { MalformedOtlpError, type Point, type ResourceMetrics, type SentAttributes } from './model.js';
import * as wire from './protobuf.js';

const field = (id: number, type: string, rule?: 'repeated') => ({ id, type, ...(rule ? { rule } : {}) });
const attributes = (id: number) => field(id, 'KeyValue', 'repeated');
const head = { startTimeUnixNano: field(2, 'fixed64'), timeUnixNano: field(3, 'fixed64') };

/** The messages as opentelemetry-proto numbers their fields, read by a reader of its own. */
const { root } = protobuf.Root.fromJSON({
  nested: {
    AnyValue: {
      oneofs: { value: { oneof: ['stringValue', 'boolValue', 'intValue', 'doubleValue', 'arrayValue'] } },
      fields: {
        stringValue: field(1, 'string'),
        boolValue: field(2, 'bool'),
        intValue: field(3, 'int64'),
        doubleValue: field(4, 'double'),
        arrayValue: field(5, 'ArrayValue'),
      },
    },
    ArrayValue: { fields: { values: field(1, 'AnyValue', 'repeated') } },
    KeyValue: { fields: { key: field(1, 'string'), value: field(2, 'AnyValue') } },
    Resource: { fields: { attributes: attributes(1) } },
    Scope: { fields: { name: field(1, 'string'), version: field(2, 'string') } },
    NumberPoint: {
      oneofs: { value: { oneof: ['asDouble', 'asInt'] } },
      fields: {
        ...head,
        asDouble: field(4, 'double'),
        asInt: field(6, 'sfixed64'),
        attributes: attributes(7),
        flags: field(8, 'uint32'),
      },
    },
    HistogramPoint: {
      fields: {
        ...head,
        count: field(4, 'fixed64'),
        sum: field(5, 'double'),
        bucketCounts: field(6, 'fixed64', 'repeated'),
        explicitBounds: field(7, 'double', 'repeated'),
        attributes: attributes(9),
        flags: field(10, 'uint32'),
      },
    },
    Buckets: { fields: { offset: field(1, 'sint32'), bucketCounts: field(2, 'uint64', 'repeated') } },
    ExponentialPoint: {
      fields: {
        attributes: attributes(1),
        ...head,
        count: field(4, 'fixed64'),
        sum: field(5, 'double'),
        scale: field(6, 'sint32'),
        zeroCount: field(7, 'fixed64'),
        positive: field(8, 'Buckets'),
        negative: field(9, 'Buckets'),
        flags: field(10, 'uint32'),
      },
    },
    SummaryPoint: { fields: { ...head, count: field(4, 'fixed64'), attributes: attributes(7) } },
    Gauge: { fields: { dataPoints: field(1, 'NumberPoint', 'repeated') } },
    Sum: {
      fields: {
        dataPoints: field(1, 'NumberPoint', 'repeated'),
        aggregationTemporality: field(2, 'int32'),
        isMonotonic: field(3, 'bool'),
      },
    },
    Histogram: {
      fields: { dataPoints: field(1, 'HistogramPoint', 'repeated'), aggregationTemporality: field(2, 'int32') },
    },
    ExponentialHistogram: {
      fields: { dataPoints: field(1, 'ExponentialPoint', 'repeated'), aggregationTemporality: field(2, 'int32') },
    },
    Summary: { fields: { dataPoints: field(1, 'SummaryPoint', 'repeated') } },
    Metric: {
      fields: {
        name: field(1, 'string'),
        description: field(2, 'string'),
        unit: field(3, 'string'),
        gauge: field(5, 'Gauge'),
        sum: field(7, 'Sum'),
        histogram: field(9, 'Histogram'),
        exponentialHistogram: field(10, 'ExponentialHistogram'),
        summary: field(11, 'Summary'),
      },
    },
    ScopeMetrics: {
      fields: { scope: field(1, 'Scope'), metrics: field(2, 'Metric', 'repeated'), schemaUrl: field(3, 'string') },
    },
    ResourceMetrics: {
      fields: { resource: field(1, 'Resource'), scopeMetrics: field(2, 'ScopeMetrics', 'repeated') },
    },
    MetricsRequest: { fields: { resourceMetrics: field(1, 'ResourceMetrics', 'repeated') } },
    LogRecord: {
      fields: {
        timeUnixNano: field(1, 'fixed64'),
        severityNumber: field(2, 'int32'),
        severityText: field(3, 'string'),
        body: field(5, 'AnyValue'),
        attributes: attributes(6),
        traceId: field(9, 'bytes'),
        spanId: field(10, 'bytes'),
        observedTimeUnixNano: field(11, 'fixed64'),
        eventName: field(12, 'string'),
      },
    },
    ScopeLogs: { fields: { scope: field(1, 'Scope'), logRecords: field(2, 'LogRecord', 'repeated') } },
    ResourceLogs: { fields: { resource: field(1, 'Resource'), scopeLogs: field(2, 'ScopeLogs', 'repeated') } },
    LogsRequest: { fields: { resourceLogs: field(1, 'ResourceLogs', 'repeated') } },
    PartialSuccess: { fields: { rejected: field(1, 'int64'), errorMessage: field(2, 'string') } },
    Answer: { fields: { partialSuccess: field(1, 'PartialSuccess') } },
    Status: { fields: { code: field(1, 'int32'), message: field(2, 'string') } },
  },
});

const encoded = (type: string, message: object): Buffer => {
  const of = root.lookupType(type);
  return Buffer.from(of.encode(of.fromObject(message)).finish());
};
const decoded = (type: string, bytes: Uint8Array): unknown => {
  const of = root.lookupType(type);
  return of.toObject(of.decode(bytes), { longs: String, defaults: true });
};

const count = fc.maxSafeNat();
const some = fc.oneof({ weight: 3, arbitrary: fc.nat(1_000) }, count);
/** JSON's writer has no -0: it makes it 0. */
const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => (number === 0 ? 0 : number));
const nanos = fc.nat(1_000_000_000).map((milli) => `${1_700_000_000_000 + milli}000000`);
const value: fc.Arbitrary<object> = fc.oneof(
  fc.string().map((stringValue) => ({ stringValue })),
  fc.boolean().map((boolValue) => ({ boolValue })),
  fc.integer().map((number) => ({ intValue: String(number) })),
  double.map((doubleValue) => ({ doubleValue })),
  fc
    .array(
      fc.string().map((stringValue) => ({ stringValue })),
      { maxLength: 3 },
    )
    .map((values) => ({ arrayValue: { values } })),
);
const keyValues = fc.array(fc.record({ key: fc.string(), value }), { maxLength: 5 });
const pointHead = {
  attributes: keyValues,
  startTimeUnixNano: nanos,
  timeUnixNano: nanos,
  flags: fc.constantFrom(0, 1),
};
const numberPoint = fc.oneof(
  fc.record({ ...pointHead, asInt: fc.maxSafeInteger().map(String) }),
  fc.record({ ...pointHead, asDouble: double }),
);
const histogramPoint = fc.record({
  ...pointHead,
  count: some,
  sum: double,
  bucketCounts: fc.array(some, { maxLength: 8 }),
  explicitBounds: fc.array(double, { maxLength: 8 }),
});
const buckets = fc.record({
  offset: fc.integer({ min: -2_000, max: 2_000 }),
  bucketCounts: fc.array(some, { maxLength: 8 }),
});
const exponentialPoint = fc.record({
  ...pointHead,
  count: some,
  scale: fc.integer({ min: -10, max: 20 }),
  zeroCount: some,
  positive: buckets,
  negative: buckets,
});
const listOf = <T>(of: fc.Arbitrary<T>) => fc.array(of, { maxLength: 4 });
const aggregationTemporality = fc.constantFrom(0, 1, 2, 7);
const name = fc.constantFrom('requests', 'latency', 'unwanted');
const metric = fc.oneof(
  fc.record({
    name,
    unit: fc.string(),
    sum: fc.record({ dataPoints: listOf(numberPoint), aggregationTemporality, isMonotonic: fc.boolean() }),
  }),
  fc.record({ name, histogram: fc.record({ dataPoints: listOf(histogramPoint), aggregationTemporality }) }),
  fc.record({
    name,
    exponentialHistogram: fc.record({ dataPoints: listOf(exponentialPoint), aggregationTemporality }),
  }),
  fc.record({ name, gauge: fc.record({ dataPoints: listOf(numberPoint) }) }),
  fc.record({
    name,
    summary: fc.record({ dataPoints: listOf(fc.record({ attributes: keyValues, timeUnixNano: nanos })) }),
  }),
);
const scope = fc.record({ name: fc.string(), version: fc.string() });
const resource = fc.record({ attributes: keyValues });
const metricsRequest = fc.record({
  resourceMetrics: listOf(fc.record({ resource, scopeMetrics: listOf(fc.record({ scope, metrics: listOf(metric) })) })),
});
const record = fc.record(
  { timeUnixNano: nanos, observedTimeUnixNano: nanos, attributes: keyValues, eventName: fc.string(), body: value },
  { requiredKeys: ['observedTimeUnixNano', 'attributes'] },
);
const logsRequest = fc.record({
  resourceLogs: listOf(fc.record({ resource, scopeLogs: listOf(fc.record({ scope, logRecords: listOf(record) })) })),
});

const wants = (metricName: string) => metricName !== 'unwanted';
const readOf = (sent: SentAttributes) => [...sent.read()];
const plainPoint = ({ attributes: sent, ...rest }: Point) => ({ ...rest, attributes: readOf(sent) });
/** What was read, with all attributes read as well. */
const plain = (read: readonly ResourceMetrics[]) =>
  read.map(({ resource: of, scopes }) => ({
    resource: readOf(of),
    scopes: scopes.map((each) => ({
      scope: each.scope,
      metrics: each.metrics.map((one) => ({ ...one, points: one.points.map(plainPoint) })),
    })),
  }));
const asJson = (message: object): Buffer => Buffer.from(JSON.stringify(message));

describe('a request', () => {
  it('with metrics is the same in JSON and in protobuf', () => {
    fc.assert(
      fc.property(metricsRequest, (message) => {
        const read = plain(wire.decodeMetrics(encoded('MetricsRequest', message), wants));
        expect(read).toEqual(plain(json.decodeMetrics(asJson(message), wants)));
      }),
      { numRuns: 300 },
    );
  });

  it('with log records is the same in JSON and in protobuf', () => {
    const read = ({ records }: ReturnType<typeof json.decodeLogs>[number]) =>
      records.map(({ attributes: sent, ...rest }) => ({ ...rest, attributes: readOf(sent) }));
    fc.assert(
      fc.property(logsRequest, (message) => {
        const expected = json.decodeLogs(asJson(message));
        const found = wire.decodeLogs(encoded('LogsRequest', message));
        expect(found.map(read)).toEqual(expected.map(read));
        expect(found.map((each) => readOf(each.resource))).toEqual(expected.map((each) => readOf(each.resource)));
      }),
      { numRuns: 200 },
    );
  });

  it('is read to numbers and times as they were meant', () => {
    const point = {
      attributes: [{ key: 'a', value: { intValue: '-7' } }],
      startTimeUnixNano: '1700000000000000000',
      timeUnixNano: '1700000000123456789',
      asInt: '-5',
    };
    const metrics = [{ name: 'requests', sum: { aggregationTemporality: 2, isMonotonic: true, dataPoints: [point] } }];
    const message = { resourceMetrics: [{ scopeMetrics: [{ metrics }] }] };
    for (const read of [
      wire.decodeMetrics(encoded('MetricsRequest', message), wants),
      json.decodeMetrics(asJson(message), wants),
    ]) {
      const [one] = plain(read)[0]?.scopes[0]?.metrics ?? [];
      expect(one).toMatchObject({ name: 'requests', kind: 'sum', temporality: 'cumulative', isMonotonic: true });
      expect(one?.points).toEqual([
        { kind: 'number', start: 1.7e15, time: 1.7e15 + 123_456, isGap: false, value: -5, attributes: [['a', '-7']] },
      ]);
    }
  });

  it('of metrics that nothing asks for is not read into', () => {
    const gibberish = { name: 'unwanted', sum: { dataPoints: 'none' } };
    const [read] = json.decodeMetrics(
      asJson({ resourceMetrics: [{ scopeMetrics: [{ metrics: [gibberish] }] }] }),
      wants,
    );
    expect(read?.scopes[0]?.metrics).toEqual([]);
  });

  it('knows equal attributes by equal bytes, and other ones by others', () => {
    const pointsOf = (...lists: object[]) => {
      const dataPoints = lists.map((list) => ({ attributes: list, asInt: '1' }));
      const message = {
        resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: 'requests', sum: { dataPoints } }] }] }],
      };
      const [read] = wire.decodeMetrics(encoded('MetricsRequest', message), wants);
      return (read?.scopes[0]?.metrics[0]?.points ?? []).map((each) => each.attributes.id);
    };
    const one = [
      { key: 'a', value: { stringValue: 'x' } },
      { key: 'b', value: { stringValue: 'y' } },
    ];
    const other = [
      { key: 'a', value: { stringValue: 'y' } },
      { key: 'b', value: { stringValue: 'x' } },
    ];
    const [first, second, third, none] = pointsOf(one, other, one, []);
    expect(first).toBe(third);
    expect(new Set([first, second, none]).size).toBe(3);
  });
});

describe('what is no request', () => {
  const throwsOnly = (read: () => unknown): void => {
    try {
      read();
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedOtlpError);
    }
  };
  const everything = (read: readonly ResourceMetrics[]): unknown => plain(read);

  it('is said to be malformed and nothing worse, whatever bytes come', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const body = Buffer.from(bytes);
        throwsOnly(() => everything(wire.decodeMetrics(body, () => true)));
        throwsOnly(() =>
          wire.decodeLogs(body).map(({ records }) => records.map(({ attributes: sent }) => sent.read())),
        );
        throwsOnly(() => everything(json.decodeMetrics(body, () => true)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is said to be malformed where a request was cut off or bent', () => {
    fc.assert(
      fc.property(metricsRequest, fc.nat(), fc.nat(), fc.nat(255), (message, cut, place, byte) => {
        const body = encoded('MetricsRequest', message);
        throwsOnly(() => everything(wire.decodeMetrics(body.subarray(0, cut % (body.length + 1)), () => true)));
        const bent = Buffer.from(body);
        if (bent.length > 0) bent[place % bent.length] = byte;
        throwsOnly(() => everything(wire.decodeMetrics(bent, () => true)));
      }),
      { numRuns: 500 },
    );
  });

  it('is said to be malformed where JSON has another shape', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (text) => {
        throwsOnly(() => everything(json.decodeMetrics(Buffer.from(`{"resourceMetrics":${text}}`), () => true)));
      }),
    );
    const deep = (levels: number) => `${'{"arrayValue":{"values":['.repeat(levels)}{}${']}}'.repeat(levels)}`;
    const value = `{"resource":{"attributes":[{"key":"a","value":${deep(20_000)}}]}}`;
    throwsOnly(() => everything(json.decodeMetrics(Buffer.from(`{"resourceMetrics":[${value}]}`), wants)));
    for (const body of ['[]', 'null', '7', '', '{"resourceMetrics":{}}'])
      expect(() => json.decodeMetrics(Buffer.from(body), wants)).toThrow(MalformedOtlpError);
  });
});

describe('an answer', () => {
  it('is empty where nothing was refused, and otherwise says how much and why', () => {
    const none = { rejected: 0, message: '' };
    expect(encodeAnswer('metrics', 'json', none)).toBe('{}');
    expect(encodeAnswer('logs', 'protobuf', none)).toHaveLength(0);
    const some3 = { rejected: 3, message: 'because' };
    expect(JSON.parse(String(encodeAnswer('metrics', 'json', some3)))).toEqual({
      partialSuccess: { rejectedDataPoints: '3', errorMessage: 'because' },
    });
    expect(JSON.parse(String(encodeAnswer('logs', 'json', some3)))).toEqual({
      partialSuccess: { rejectedLogRecords: '3', errorMessage: 'because' },
    });
    expect(decoded('Answer', encodeAnswer('metrics', 'protobuf', some3) as Uint8Array)).toEqual({
      partialSuccess: { rejected: '3', errorMessage: 'because' },
    });
    expect(decoded('Status', encodeStatus('protobuf', 14, 'busy') as Uint8Array)).toEqual({
      code: 14,
      message: 'busy',
    });
  });
});
