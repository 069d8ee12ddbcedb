import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { trace } from '@opentelemetry/api';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PastBehindError, TooBroadError, ViewStoppedError, type Log } from '#libs/application';
import { ArchiveError } from '#libs/kernel';
import { AlteredLookError, IntakeBusyError, IntakeClosedError, MalformedOtlpError } from '#libs/signals';
import { databaseTrouble } from '../composition/database-trouble.js';
import type { DatabaseWatch } from '../composition/database-watch.js';
import { isOtlp, sendStatus } from './otlp.js';
import { ProblemError } from './problem.js';

type Asked = { readonly method: string; readonly path: string; readonly mostBytes: number };
type MethodsAt = (path: string) => readonly string[];

/** After the database did not answer. */
const whatToDo = ({ method, path }: Asked): string => {
  if (method === 'GET' || method === 'HEAD') return 'Ask again in a moment.';
  const again = isOtlp(path) ? ', nothing is counted twice' : ' under the same Idempotency-Key';
  return `Whether this was written is not known: send it again${again}.`;
};

const fromHttp = (error: HttpException, { method, path, mostBytes }: Asked, methodsAt: MethodsAt): ProblemError => {
  const status = error.getStatus();
  const methods = status === 404 ? methodsAt(path) : [];
  if (methods.length > 0 && !methods.includes(method))
    return new ProblemError(
      'method-not-allowed',
      `${method} is not possible at ${path}: use ${methods.join(' or ')}.`,
      [],
      {
        allow: methods.join(', '),
      },
    );
  if (status === 404)
    return new ProblemError(
      'not-found',
      `There is nothing here: ${error.message}. See /openapi.json for what there is.`,
    );
  if (status === 413) return tooLarge(mostBytes);
  if (status === 415) return notJson();
  return unreadable(error.message);
};

/** The parser takes keys that would change every object for bad syntax, too, and does not say which it was. */
const unreadable = (message: string): ProblemError =>
  new ProblemError(
    'invalid-request',
    message.startsWith('Body is not valid JSON')
      ? 'The body is not JSON that is taken: look for a syntax error, or for a key __proto__ or constructor, which is refused.'
      : `The request cannot be read: ${message}.`,
  );

const tooLarge = (mostBytes: number): ProblemError =>
  new ProblemError(
    'too-large',
    `The body is too large: send less at once (${Math.floor(mostBytes / 1_048_576)} MiB at most).`,
  );

const notJson = (): ProblemError =>
  new ProblemError('unsupported-media-type', 'The body must be JSON: send it with "Content-Type: application/json".', [
    { pointer: '/headers/content-type', detail: 'application/json' },
  ]);

type Coded = { readonly code?: unknown; readonly statusCode?: unknown; readonly message?: unknown };

/** Errors of the server itself while it reads a request: too large, not JSON, wrong length. */
const fromFastify = (error: Coded, { mostBytes }: Asked): ProblemError | undefined => {
  if (typeof error.statusCode !== 'number' || error.statusCode >= 500) return undefined;
  if (error.statusCode === 413) return tooLarge(mostBytes);
  if (error.statusCode === 415) return notJson();
  return unreadable(String(error.message));
};

/** The one place where refusals become answers. What nobody expected is logged and answered without details. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly log: Log,
    private readonly database: Pick<DatabaseWatch, 'note'>,
    private readonly methodsAt: MethodsAt,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const path = request.url.split('?')[0] ?? '';
    const mostBytes = request.routeOptions.bodyLimit ?? 0;
    const known = this.expected(error, { method: request.method, path, mostBytes });
    if (known && isOtlp(path)) return sendStatus(reply, request, known);
    const traceId = trace.getActiveSpan()?.spanContext().traceId;
    if (known) {
      const problem = { ...known.toProblem(path), ...(traceId === undefined ? {} : { traceId }) };
      void reply
        .status(known.status)
        .headers(known.headers)
        .type('application/problem+json')
        .send(JSON.stringify(problem));
      return;
    }
    this.log.error('A request failed unexpectedly.', {
      method: request.method,
      path,
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    const detail =
      'Headgate failed to answer this request; the reason is in its log. Nothing was half-written: send it again.';
    if (isOtlp(path)) return sendStatus(reply, request, { status: 500, message: detail });
    const problem = {
      type: 'urn:headgate:problem:internal',
      title: 'Internal error',
      status: 500,
      detail,
      code: 'internal',
      instance: path,
      ...(traceId === undefined ? {} : { traceId }),
    };
    void reply.status(500).type('application/problem+json').send(JSON.stringify(problem));
  }

  private expected(error: unknown, asked: Asked): ProblemError | undefined {
    if (error instanceof ProblemError) return error;
    if (error instanceof HttpException) return fromHttp(error, asked, this.methodsAt);
    if (error instanceof IntakeBusyError || error instanceof IntakeClosedError)
      return new ProblemError('busy', error.message, [], { 'retry-after': '2' });
    if (error instanceof MalformedOtlpError) return new ProblemError('invalid-request', error.message);
    if (error instanceof AlteredLookError) return new ProblemError('evidence-altered', error.message);
    const trouble = databaseTrouble(error);
    if (trouble !== undefined) {
      this.database.note(error);
      const detail = `${trouble.message} ${whatToDo(asked)}`;
      return new ProblemError('database-unavailable', detail, [], { 'retry-after': '2' });
    }
    if (error instanceof TooBroadError) return new ProblemError('question-too-broad', error.message);
    if (error instanceof ArchiveError) return new ProblemError('not-ready', error.message, [], { 'retry-after': '30' });
    if (error instanceof PastBehindError)
      return new ProblemError('not-ready', error.message, [], { 'retry-after': '1' });
    if (error instanceof ViewStoppedError)
      return new ProblemError('not-ready', error.message, [], { 'retry-after': '2' });
    return typeof error === 'object' && error !== null ? fromFastify(error, asked) : undefined;
  }
}
