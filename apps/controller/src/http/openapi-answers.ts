import type { OpenAPIObject } from '@nestjs/swagger';

export type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

const header = (name: string, description: string, example: string) =>
  ({ name, in: 'header', required: false, description, schema: { type: 'string' }, example }) as const;

const IDEMPOTENCY_KEY = header(
  'Idempotency-Key',
  'Of 1 to 128 characters. The command is accepted once under it: sent again with the same body it gets the first outcome, with another body or to another address it is refused (422). A refusal is not remembered: sent again the command is decided anew.',
  '6f6d0b8e-2f0c-4c1a-9f5e-0f6f4a1f3c11',
);
const IF_MATCH = header(
  'If-Match',
  'The entity tag of the rollout as it was read. The command is refused when the rollout has moved on since (412).',
  '"7"',
);
const IF_NONE_MATCH = header(
  'If-None-Match',
  'The entity tag of the answer that the caller has: while nothing newer is there, the answer is 304 without a body.',
  '"42"',
);

/** What a route may be refused with, besides for want of a token (401) or of a role (403). */
const REFUSALS: readonly (readonly [routes: RegExp, statuses: readonly number[]])[] = [
  [/^post \/v1\/manifests$/, [400, 409, 422]],
  [/^post \/v1\/plan-previews$/, [400, 404, 422]],
  [/^post \/v1\/(?:rollouts|configs\/\{key\}\/undo)$/, [400, 404, 409, 422]],
  [/^post \/v1\/rollouts\/\{id\}\/abandon$/, [400, 404, 409, 422]],
  [/^post \/v1\/rollouts\/\{id\}\/(?:pause|resume|promote|abort)$/, [400, 404, 409, 412, 422]],
  [/^get \/v1\/(?:configs\/\{key\}|targets\/\{target\}|rollouts\/\{id\})$/, [404]],
  [/^get \/v1\/rollouts\/\{id\}\/evidence$/, [400, 404, 422]],
  [/^get \/v1\/rollouts\/\{id\}\/looks$/, [400, 404, 409]],
  [/^get \/v1\/rollouts\/\{id\}\/pack$/, [404, 409]],
  [/^get \/v1\/(?:rollouts|events\/stream)$/, [400]],
  [/^get \/v1\/events$/, [400, 422]],
  [/^get \/v1\/(?:at|changes\/open|exposed|rollouts\/\{id\}\/exposed)$/, [400, 404, 422]],
  [/^get \/v1\/log\/(?:inclusion|consistency)$/, [400, 404]],
  [/^get \/v1\/log\/head$/, [404]],
  [/^get \/v1\/log\/export$/, [400]],
  [/^post \/v1\/(?:outcomes|comparisons)$/, [400]],
  [/^(?:put|delete) \/v1\/targets\/\{target\}\/instances\/\{instance\}$/, [400, 404]],
  [/^get \/v1\/targets\/\{target\}\/ruleset$/, [404]],
  [/^post \/v1\/tokens$/, [400, 409, 422]],
  [/^post \/v1\/hooks$/, [400, 404, 409, 422]],
  [/^post \/v1\/hooks\/\{id\}\/resume$/, [400, 404, 409, 422]],
  [/^delete \/v1\/hooks\/\{id\}$/, [400, 404, 409, 422]],
  [/^delete \/v1\/tokens\/\{id\}$/, [400, 404, 409, 422]],
];

const WORDS: Readonly<Record<number, string>> = {
  400: 'A field, a parameter or a header is wrong; `errors` says which',
  401: 'No token, or one that is unknown, revoked or expired',
  403: 'The role of the token may not do this',
  404: 'What is named does not exist',
  409: 'Not possible in the state that it is in now',
  412: 'The rollout has moved on since the version that If-Match names',
  413: 'The body is larger than is taken',
  415: 'The body is not sent as JSON',
  422: 'Understood, but it cannot be accepted as it is; or its Idempotency-Key was used for another command',
};

export const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
});

const COMMANDS =
  /^(?:post \/v1\/(?:manifests|rollouts|tokens|hooks|hooks\/\{id\}\/resume|configs\/\{key\}\/undo|rollouts\/\{id\}\/abandon)|delete \/v1\/(?:tokens|hooks)\/\{id\})$/;
const STEERING = /^post \/v1\/rollouts\/\{id\}\/(?:pause|resume|promote|abort)$/;
/** Answers that are one rollout. */
const ROLLOUT =
  /^(?:get \/v1\/rollouts\/\{id\}|post \/v1\/rollouts|post \/v1\/rollouts\/\{id\}\/\w+|post \/v1\/configs\/\{key\}\/undo)$/;
/** Answers that are not sent again to those who have them. */
const CACHED: readonly string[] = [
  'get /v1/targets/{target}/ruleset',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags',
];

const headersOf = (route: string) => {
  if (STEERING.test(route)) return [IDEMPOTENCY_KEY, IF_MATCH];
  if (COMMANDS.test(route)) return [IDEMPOTENCY_KEY];
  return CACHED.includes(route) ? [IF_NONE_MATCH] : [];
};

const etag = (description: string) => ({ ETag: { description, schema: { type: 'string' as const } } });

const addEntityTags = (route: string, { responses }: Operation): void => {
  if (!ROLLOUT.test(route) && !CACHED.includes(route)) return;
  const headers = etag(
    ROLLOUT.test(route)
      ? 'The version of the rollout, for If-Match'
      : 'Stands for this answer, for If-None-Match; it changes with the generation of the target',
  );
  for (const [status, response] of Object.entries(responses))
    if (/^2\d\d$/.test(status) && response && !('$ref' in response)) response.headers = headers;
  if (CACHED.includes(route)) responses['304'] = { description: 'The caller has the newest already', headers };
};

/** Adds what routes have in common: headers that are taken, entity tags, and refusals. What is said already stays. */
export const addAnswers = (route: string, operation: Operation): void => {
  const headers = headersOf(route);
  if (headers.length > 0) operation.parameters = [...(operation.parameters ?? []), ...headers];
  addEntityTags(route, operation);
  const own = REFUSALS.flatMap(([routes, statuses]) => (routes.test(route) ? statuses : []));
  for (const status of [401, 403, ...own, ...(operation.requestBody ? [413, 415] : [])])
    operation.responses[String(status)] ??= problem(WORDS[status] ?? 'A problem');
  operation.responses['default'] ??= problem('A problem (RFC 9457) with a stable code');
};
