import { problem, type Operation } from './openapi-answers.js';

const BULK = 'post /v1/targets/{target}/ofrep/v1/evaluate/flags';
const ONE = `${BULK}/{key}`;

const text = { type: 'string' } as const;
const object = { type: 'object', additionalProperties: true } as const;
const to = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const CODES = ['PARSE_ERROR', 'INVALID_CONTEXT', 'TARGETING_KEY_MISSING', 'FLAG_NOT_FOUND', 'GENERAL'];
const fault = {
  errorCode: { type: 'string', enum: CODES },
  errorDetails: { ...text, description: 'What is wrong, for people' },
} as const;

/** What is sent and answered by OFREP 0.3.0: https://github.com/open-feature/protocol */
export const OFREP_SCHEMAS = {
  OfrepRequest: {
    type: 'object',
    required: ['context'],
    properties: {
      context: {
        ...object,
        description: 'The evaluation context of OpenFeature',
        required: ['targetingKey'],
        properties: {
          targetingKey: { ...text, minLength: 1, description: 'Pseudonym of the user, session or request' },
        },
      },
    },
  },
  OfrepEvaluation: {
    type: 'object',
    required: ['key', 'value', 'reason', 'metadata'],
    properties: {
      key: text,
      value: { description: 'The value of the config' },
      reason: { ...text, description: 'Such as SPLIT, while a rollout is under way, or STATIC' },
      variant: { ...text, description: 'The revision, such as r2' },
      metadata: object,
    },
  },
  OfrepFailure: {
    type: 'object',
    required: ['key', 'errorCode'],
    properties: { key: text, ...fault },
  },
  OfrepBulkEvaluation: {
    type: 'object',
    required: ['flags', 'metadata'],
    properties: {
      flags: { type: 'array', items: { anyOf: [to('OfrepEvaluation'), to('OfrepFailure')] } },
      metadata: object,
      eventStreams: {
        type: 'array',
        description:
          'Where changes are told of, as server-sent events whose id is the generation. The address needs no header, opens nothing else, and runs out within an hour: the next answer has another',
        items: {
          type: 'object',
          required: ['type', 'endpoint', 'inactivityDelaySec'],
          properties: {
            type: { type: 'string', enum: ['sse'] },
            endpoint: {
              type: 'object',
              required: ['requestUri'],
              properties: { requestUri: { ...text, description: 'On the controller that answered' } },
            },
            inactivityDelaySec: { type: 'integer' },
          },
        },
      },
    },
  },
  OfrepBulkFailure: { type: 'object', required: ['errorCode'], properties: fault },
} as const;

const json = (name: string) => ({ 'application/json': { schema: to(name) } });

/** Adds the bodies of OFREP, which has answers of its own instead of problem details. */
export const addOfrep = (route: string, operation: Operation): void => {
  if (route !== BULK && route !== ONE) return;
  const [success, failure] =
    route === ONE ? ['OfrepEvaluation', 'OfrepFailure'] : ['OfrepBulkEvaluation', 'OfrepBulkFailure'];
  operation.requestBody = { required: true, content: json('OfrepRequest') };
  operation.responses['200'] = { description: 'What the configs are for this context', content: json(success ?? '') };
  const unreadable = problem('The context is missing or wrong (OFREP), or the body is not JSON (a problem)');
  operation.responses['400'] = { ...unreadable, content: { ...json(failure ?? ''), ...unreadable.content } };
  operation.responses['404'] = { description: 'No such target or config', content: json(failure ?? '') };
  const limited = problem('The token asks for more evaluations a second than HEADGATE_OFREP_RATE');
  const retryAfter = { 'Retry-After': { description: 'Seconds', schema: text } };
  operation.responses['429'] = { ...limited, headers: retryAfter };
  const hints = ['flagConfigEtag', 'flagConfigLastModified'].map((name) => ({
    name,
    in: 'query' as const,
    required: false,
    description: 'What an event of the stream said: the answer waits a moment for that generation',
    schema: text,
  }));
  if (route === BULK)
    operation.parameters = [
      ...(operation.parameters ?? []).filter((each) => !('name' in each) || each.name !== 'flagConfigEtag'),
      ...hints,
    ];
  if (route === ONE)
    operation.responses['500'] = { description: 'It has no value for this context', content: json(failure ?? '') };
};
