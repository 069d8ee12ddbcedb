import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { Problem } from '#libs/contracts';
import { addAnswers, type Operation } from './openapi-answers.js';
import { addOfrep, OFREP_SCHEMAS } from './openapi-ofrep.js';
import { addOtlp, OTLP_SCHEMAS } from './openapi-otlp.js';

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
  'get /v1/rollouts/{id}/evidence': 'Explain what the verdicts of a rollout rest on',
  'get /v1/rollouts/{id}/looks': 'Read the windows that were folded, to compute verdicts again',
  'get /v1/rollouts/{id}/pack': 'Take an evidence pack of a rollout, for somebody without access',
  'post /v1/rollouts/{id}/pause': 'Stop a rollout from advancing',
  'post /v1/rollouts/{id}/resume': 'Let a paused rollout go on',
  'post /v1/rollouts/{id}/promote': 'Go on to the next stage without waiting',
  'post /v1/rollouts/{id}/abort': 'Take a rollout back everywhere',
  'post /v1/rollouts/{id}/abandon': 'Give up on a target that a rollback cannot reach',
  'post /v1/configs/{key}/undo': 'Take a settled revision back, everywhere at once',
  'get /v1/board': 'Show what moves, what waits for a person, and what is served where',
  'get /v1/whoami': 'Show whose token it is and its role',
  'get /v1/events': 'Read the log, oldest or newest first',
  'get /v1/events/stream': 'Follow the log as it grows',
  'get /v1/sources': 'List the sources that are asked, and how they are',
  'get /v1/at': 'What each target was desired to serve at a moment, and what had arrived',
  'get /v1/changes/open': 'Rollouts that were open on a slice at a moment',
  'get /v1/rollouts/{id}/exposed': 'Requests and units that were exposed to the candidate of a rollout',
  'get /v1/exposed': 'The same for all rollouts of a revision',
  'get /v1/log/head': 'Show the newest signed head of the log',
  'get /v1/log/keys': 'List the public keys that sign the log',
  'get /v1/log/inclusion': 'Prove that an event is in the log',
  'get /v1/log/consistency': 'Prove that the log only grew between two sizes',
  'get /v1/log/export': 'Export the exact bytes of all events',
  'post /v1/outcomes': 'Report outcomes',
  'post /v1/comparisons': 'Report the same work done on two targets',
  'post /v1/metrics': 'Send metrics (OTLP)',
  'post /v1/logs': 'Send records of evaluations (OTLP)',
  'get /v1/targets/{target}/ruleset': "Fetch a target's ruleset for evaluation in process",
  'put /v1/targets/{target}/instances/{instance}': 'Acknowledge a generation; a heartbeat',
  'delete /v1/targets/{target}/instances/{instance}': 'Say that an instance ends',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags': 'Evaluate all configs (OFREP)',
  'post /v1/targets/{target}/ofrep/v1/evaluate/flags/{key}': 'Evaluate one config (OFREP)',
  'post /v1/tokens': 'Issue a token',
  'get /v1/tokens': 'List tokens, without their secrets',
  'delete /v1/tokens/{id}': 'Revoke a token',
  'post /v1/hooks': 'Send events to an address from now on',
  'get /v1/hooks': 'List where events go, how far, and what is wrong',
  'post /v1/hooks/{id}/resume': 'Send again what was given up, or to a disabled hook',
  'delete /v1/hooks/{id}': 'Send nothing there any more',
};

/** What every operation has in common is said here once, which keeps the controllers free of it. */
const complete = (route: string, operation: Operation): void => {
  const summary = SUMMARIES[route];
  if (summary !== undefined) operation.summary = summary;
  addOfrep(route, operation);
  addOtlp(route, operation);
  addAnswers(route, operation);
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
    schemas: {
      ...document.components?.schemas,
      ...(OFREP_SCHEMAS as object),
      ...(OTLP_SCHEMAS as object),
      Problem: schema as never,
    },
  };
  for (const [path, { get, put, post, delete: remove }] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries({ get, put, post, delete: remove }))
      if (operation) complete(`${method} ${path}`, operation);
  return document;
};
