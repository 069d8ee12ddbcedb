import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { Problem } from '#libs/contracts';

type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

/** What each operation does, as a list of them shows it. */
const SUMMARIES: Readonly<Record<string, string>> = {
  'get /healthz': 'Whether the process is alive',
  'get /readyz': 'Whether it can work, and if not, why',
  'post /v1/manifests': 'Apply manifests, all or none',
  'get /v1/configs': 'List configs',
  'get /v1/configs/{key}': 'Show a config with its revisions',
  'get /v1/targets': 'List targets with what is live there',
  'get /v1/targets/{target}': 'Show a target with its instances',
  'post /v1/plan-previews': 'Predict what a rollout would do; writes nothing',
  'post /v1/rollouts': 'Start a rollout',
  'get /v1/rollouts': 'List rollouts, newest first',
  'get /v1/rollouts/{id}': 'Show a rollout with its verdicts and what it waits for',
  'post /v1/rollouts/{id}/pause': 'Stop a rollout from advancing',
  'post /v1/rollouts/{id}/resume': 'Let a paused rollout go on',
  'post /v1/rollouts/{id}/promote': 'Go on to the next stage without waiting',
  'post /v1/rollouts/{id}/abort': 'Take a rollout back everywhere',
  'post /v1/rollouts/{id}/abandon': 'Give up on a target that a rollback cannot reach',
  'post /v1/configs/{key}/undo': 'Take a settled revision back, everywhere at once',
  'get /v1/events': 'Read the log, oldest first',
  'get /v1/events/stream': 'Follow the log as it grows',
  'get /v1/at': 'What each target was desired to serve at a moment',
  'post /v1/outcomes': 'Report outcomes',
  'get /v1/targets/{target}/ruleset': "Fetch a target's ruleset for evaluation in process",
  'put /v1/targets/{target}/instances/{instance}': 'Acknowledge a generation; a heartbeat',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags': 'Evaluate all configs (OFREP)',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags/{key}': 'Evaluate one config (OFREP)',
  'post /v1/tokens': 'Issue a token',
  'get /v1/tokens': 'List tokens, without their secrets',
  'delete /v1/tokens/{id}': 'Revoke a token',
};

const header = (name: string, description: string, example: string) =>
  ({ name, in: 'header', required: false, description, schema: { type: 'string' }, example }) as const;

const IDEMPOTENCY_KEY = header(
  'Idempotency-Key',
  'Of 1 to 128 characters. The command is accepted once under it: sent again with the same body it gets the first outcome, with another body or to another address it is refused (422).',
  '6f6d0b8e-2f0c-4c1a-9f5e-0f6f4a1f3c11',
);
const IF_MATCH = header(
  'If-Match',
  'The entity tag of the rollout as it was read. The command is refused when the rollout has moved on since (412).',
  '"7"',
);

const COMMANDS =
  /^(?:post \/v1\/(?:manifests|rollouts|tokens|configs\/\{key\}\/undo|rollouts\/\{id\}\/abandon)|delete \/v1\/tokens\/\{id\})$/;
const STEERING = /^post \/v1\/rollouts\/\{id\}\/(?:pause|resume|promote|abort)$/;

const headersOf = (route: string) => {
  if (STEERING.test(route)) return [IDEMPOTENCY_KEY, IF_MATCH];
  return COMMANDS.test(route) ? [IDEMPOTENCY_KEY] : [];
};

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
});

/** What every operation has in common is said here once, which keeps the controllers free of it. */
const complete = (route: string, operation: Operation): void => {
  const summary = SUMMARIES[route];
  if (summary !== undefined) operation.summary = summary;
  const headers = headersOf(route);
  if (headers.length > 0) operation.parameters = [...(operation.parameters ?? []), ...headers];
  if (operation.requestBody) operation.responses['413'] ??= problem('The body is larger than is taken');
  operation.responses['default'] ??= problem('A problem (RFC 9457) with a stable code');
};

/** The whole API as an OpenAPI 3.1 document. */
export const describeApi = (app: NestFastifyApplication): OpenAPIObject => {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Headgate')
    .setDescription(
      'Records every config change as an event, advances it in stages over several platforms, and takes it back when quality degrades.',
    )
    .setVersion('v1')
    .addBearerAuth({ type: 'http', scheme: 'bearer' });
  const document = SwaggerModule.createDocument(app, builder.build());
  const { $schema: _, ...schema } = z.toJSONSchema(z.object(Problem.shape));
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: schema as never },
  };
  for (const [path, { get, put, post, delete: remove }] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries({ get, put, post, delete: remove }))
      if (operation) complete(`${method} ${path}`, operation);
  return document;
};
