import type { z } from 'zod';
import type { EmulatedAnswer, EmulatedRequest } from '../answer.js';
import type { Fault } from '../faults.js';
import { GetMetricData, PutMetricData } from './shapes.js';
import { MetricStore, statisticOf } from './store.js';

const JSON_TYPE = 'application/x-amz-json-1.0';
const TARGET = 'GraniteServiceVersion20100801.';
const MOST_PAST_MS = 14 * 24 * 3_600_000;
const MOST_FUTURE_MS = 2 * 3_600_000;
/** A signature is good for so long before and after its time. */
const MOST_SKEW_MS = 15 * 60_000;

const answer = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): EmulatedAnswer => ({
  kind: 'answer',
  status,
  headers: { 'content-type': JSON_TYPE, ...headers },
  body: JSON.stringify(body),
});

const fail = (status: number, code: string, message: string): EmulatedAnswer =>
  answer(
    status,
    { __type: `com.amazonaws.cloudwatch#${code}`, message },
    { 'x-amzn-query-error': `${code};${status < 500 ? 'Sender' : 'Receiver'}` },
  );

const invalid = (error: z.ZodError): EmulatedAnswer => {
  const [issue] = error.issues;
  return fail(400, 'ValidationError', `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`);
};

/** Reads `20261127T231952Z`. */
const timeOf = (text: string | undefined): number => {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '');
  if (!match) return Number.NaN;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute, second);
};

type Result = {
  readonly Id: string;
  readonly Label: string;
  readonly Timestamps: readonly number[];
  readonly Values: readonly number[];
  readonly StatusCode: string;
};
type Page = { readonly offset: number };

const readToken = (token: string | undefined): Page | undefined => {
  if (token === undefined) return { offset: 0 };
  const offset = Number(Buffer.from(token, 'base64').toString('utf8'));
  return Number.isSafeInteger(offset) && offset > 0 ? { offset } : undefined;
};

/** CloudWatch as far as metrics are put and got: AWS JSON 1.0, as the vendor's own clients speak it. */
export class CloudWatch {
  readonly #store = new MetricStore();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  answer({ headers, body }: EmulatedRequest, fault: () => Fault | undefined): EmulatedAnswer {
    const refused = this.#authorise(headers);
    if (refused) return refused;
    if (headers['content-type'] !== JSON_TYPE)
      return fail(400, 'SerializationException', `The content type must be ${JSON_TYPE}.`);
    let input: unknown;
    try {
      input = JSON.parse(body);
    } catch {
      return fail(400, 'SerializationException', 'The body is no JSON.');
    }
    switch (headers['x-amz-target']) {
      case `${TARGET}PutMetricData`:
        return this.#put(input);
      case `${TARGET}GetMetricData`:
        return this.#get(input, fault());
      default:
        return fail(400, 'UnknownOperationException', 'Only PutMetricData and GetMetricData are emulated.');
    }
  }

  /** Signatures are looked for, and their time; they are not computed again. */
  #authorise(headers: EmulatedRequest['headers']): EmulatedAnswer | undefined {
    const given = headers['authorization'];
    if (given === undefined) return fail(403, 'MissingAuthenticationToken', 'The request is not signed.');
    if (!/^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/monitoring\/aws4_request,/.test(given))
      return fail(400, 'IncompleteSignature', 'The signature is not one of version 4 for the service monitoring.');
    const skew = Math.abs(this.#now() - timeOf(headers['x-amz-date']));
    return skew <= MOST_SKEW_MS ? undefined : fail(400, 'RequestExpired', 'The time of the signature is not now.');
  }

  #put(input: unknown): EmulatedAnswer {
    const read = PutMetricData.safeParse(input);
    if (!read.success) return invalid(read.error);
    const { Namespace, MetricData } = read.data;
    const now = this.#now();
    for (const { Timestamp, MetricName } of MetricData) {
      const at = Timestamp === undefined ? now : Timestamp * 1_000;
      if (at < now - MOST_PAST_MS || at > now + MOST_FUTURE_MS)
        return fail(
          400,
          'InvalidParameterValue',
          `The time of ${MetricName} must be within two weeks before and two hours after now.`,
        );
    }
    for (const { MetricName, Dimensions, Timestamp, ...datum } of MetricData) {
      const { Value, Values = [], Counts, StatisticValues } = datum;
      const values = Value === undefined ? Values : [Value];
      this.#store.put(Namespace, MetricName, Dimensions, {
        at: Timestamp === undefined ? now : Timestamp * 1_000,
        samples: values.map((value, index) => ({ value, count: Counts?.[index] ?? 1 })),
        ...(StatisticValues && {
          statistics: {
            sum: StatisticValues.Sum,
            count: StatisticValues.SampleCount,
            least: StatisticValues.Minimum,
            most: StatisticValues.Maximum,
          },
        }),
      });
    }
    return answer(200, {});
  }

  #get(input: unknown, fault: Fault | undefined): EmulatedAnswer {
    const broken = brokenAnswer(fault);
    if (broken) return broken;
    const read = GetMetricData.safeParse(input);
    if (!read.success) return invalid(read.error);
    const page = readToken(read.data.NextToken);
    if (!page) return fail(400, 'InvalidNextToken', 'The parameter NextToken is not one that was given out.');
    const results = read.data.MetricDataQueries.filter(({ ReturnData }) => ReturnData).map((query) =>
      fault === 'empty' ? emptyOf(query.Id) : this.#resultOf(query, read.data),
    );
    return answer(200, pageOf(results, page.offset, read.data.MaxDatapoints, fault === 'partial'));
  }

  #resultOf(query: GetMetricData['MetricDataQueries'][number], request: GetMetricData): Result {
    const { Metric, Period, Stat } = query.MetricStat;
    const length = Period * 1_000;
    // The start is rounded down to a whole minute, as periods of a minute and more begin with one.
    const step = Math.min(length, 60_000);
    const from = Math.floor((request.StartTime * 1_000) / step) * step;
    const until = request.EndTime * 1_000;
    const points: (readonly [at: number, value: number])[] = [];
    for (let at = Math.floor(from / length) * length; at < until; at += length) {
      if (at < from) continue;
      const measured = this.#store.read(Metric.Namespace, Metric.MetricName, Metric.Dimensions, at, at + length);
      const value = statisticOf(measured, Stat);
      if (value !== undefined) points.push([at / 1_000, value]);
    }
    if (request.ScanBy === 'TimestampDescending') points.reverse();
    return {
      Id: query.Id,
      Label: query.Label ?? Metric.MetricName,
      Timestamps: points.map(([at]) => at),
      Values: points.map(([, value]) => value),
      StatusCode: 'Complete',
    };
  }
}

const emptyOf = (Id: string): Result => ({ Id, Label: Id, Timestamps: [], Values: [], StatusCode: 'Complete' });

/** So many points of all results together; results that go on with the next token are partial. */
const pageOf = (results: readonly Result[], offset: number, most: number, isPartial: boolean): unknown => {
  let skip = offset;
  let room = most;
  let isLast = true;
  const page: Result[] = [];
  for (const result of results) {
    const start = Math.min(skip, result.Values.length);
    skip -= start;
    const end = Math.min(result.Values.length, start + room);
    room -= end - start;
    const isWhole = end === result.Values.length;
    if (!isWhole) isLast = false;
    page.push({
      ...result,
      Timestamps: result.Timestamps.slice(start, end),
      Values: result.Values.slice(start, end),
      StatusCode: isPartial || !isWhole ? 'PartialData' : 'Complete',
    });
  }
  return {
    MetricDataResults: page,
    Messages: [],
    ...(isLast ? {} : { NextToken: Buffer.from(String(offset + most)).toString('base64') }),
  };
};

const brokenAnswer = (fault: Fault | undefined): EmulatedAnswer | undefined => {
  switch (fault) {
    case 'timeout':
      return { kind: 'hang' };
    case 'throttled':
      return fail(400, 'Throttling', 'Rate exceeded');
    case 'server-error':
      return fail(500, 'InternalServiceError', 'Request processing has failed due to some unknown error.');
    case 'unavailable':
      return { kind: 'answer', status: 503, headers: { 'content-type': 'text/html' }, body: '<html>503</html>' };
    case 'expired-credentials':
      return fail(403, 'ExpiredToken', 'The security token included in the request is expired');
    case 'forbidden':
      return fail(403, 'AccessDenied', 'The caller is not authorized to perform: cloudwatch:GetMetricData');
    case 'nonsense':
      return {
        kind: 'answer',
        status: 200,
        headers: { 'content-type': JSON_TYPE },
        body: '{"MetricDataResults":[{"Id":7,"Values":["NaN"]}]}',
      };
    case 'cut-off':
      return { ...answer(200, { MetricDataResults: [] }), isCutOff: true } as EmulatedAnswer;
    default:
      return undefined;
  }
};
