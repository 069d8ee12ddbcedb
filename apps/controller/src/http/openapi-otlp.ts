import type { Operation } from './openapi-answers.js';

const ROUTES: readonly string[] = ['post /v1/metrics', 'post /v1/logs'];

const count = { type: 'string', description: 'A number, as text' } as const;
const to = (name: string) => ({ $ref: `#/components/schemas/${name}` });
const partial = (rejected: string) =>
  ({
    type: 'object',
    properties: {
      partialSuccess: { type: 'object', properties: { [rejected]: count, errorMessage: { type: 'string' } } },
    },
  }) as const;

/** Messages of OpenTelemetry's protocol, as far as answers need them; requests are as opentelemetry-proto has them. */
export const OTLP_SCHEMAS = {
  OtlpMetricsAnswer: partial('rejectedDataPoints'),
  OtlpLogsAnswer: partial('rejectedLogRecords'),
  OtlpStatus: {
    type: 'object',
    description: 'google.rpc.Status',
    required: ['code', 'message'],
    properties: { code: { type: 'integer' }, message: { type: 'string' } },
  },
} as const;

const binary = { 'application/x-protobuf': { schema: { type: 'string', format: 'binary' } } } as const;
const both = (schema: object) => ({ 'application/json': { schema }, ...binary });

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'The body is no such message: sending it again does not help',
  401: 'No token, or one that is unknown, revoked or expired',
  403: 'The role of the token may not do this',
  413: 'The body is larger than is taken, unpacked or not',
  415: 'The body is neither JSON nor protobuf, or packed by something else than gzip',
  503: 'Nothing can be written now: send it again after what Retry-After says',
};

/** Adds bodies in both formats; refusals are `google.rpc.Status` and no problem details. */
export const addOtlp = (route: string, operation: Operation): void => {
  if (!ROUTES.includes(route)) return;
  const of = route.endsWith('metrics') ? 'Metrics' : 'Logs';
  const schema = { type: 'object', description: `Export${of}ServiceRequest, in the JSON of protobuf` };
  operation.requestBody = { required: true, content: both(schema) as never };
  operation.responses = {
    200: { description: 'Taken; what was refused of it is said', content: both(to(`Otlp${of}Answer`)) as never },
  };
  for (const [status, description] of Object.entries(REFUSALS))
    operation.responses[status] = { description, content: both(to('OtlpStatus')) as never };
  operation.responses['default'] = { description: 'Refused', content: both(to('OtlpStatus')) as never };
};
