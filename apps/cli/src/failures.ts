import { CommanderError } from 'commander';
import type { Problem } from '#libs/contracts';
import { ProblemError, ReplyError, UnreachableError } from './client-errors.js';
import { CliError, InterruptedError, messageOf } from './errors.js';
import { EXIT } from './exit-codes.js';
import type { ExitCode } from './exit-codes.js';
import { plain } from './format.js';
import type { Look } from './look.js';
import { nextStep } from './next-steps.js';
import type { Settings } from './settings.js';
import { hang } from './wrap.js';

/** What is shown of a failure, and the exit code. */
export interface Failure {
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly details: readonly string[];
  readonly next: string | undefined;
}

/** The exit code of a refusal: 401 and 403 are auth, 409 and 412 conflicts, other 4xx usage. */
export const exitCodeOf = ({ status }: Pick<Problem, 'status'>): ExitCode => {
  if (status === 401 || status === 403) return EXIT.auth;
  if (status === 409 || status === 412) return EXIT.conflict;
  return status >= 400 && status < 500 && status !== 408 && status !== 429 ? EXIT.usage : EXIT.unexpected;
};

/** What a role lacks that could not even look, or could not act. */
const nextAfterForbidden = (method: string): string =>
  method === 'GET'
    ? 'use a token of a role that may read this; a service token only sends outcomes and fetches rulesets'
    : 'use a token of a role that may do this: operator for changes, admin for tokens';

const nextAfter = (problem: Problem, request: string, settings: Settings | undefined): string | undefined => {
  if (problem.status === 401) {
    return settings?.token === undefined
      ? 'give a token: --token-file FILE, or HEADGATE_TOKEN in the environment'
      : 'the token may be revoked or expired, or belong to another controller; an admin makes a new one with: headgate token create';
  }
  if (problem.status === 403) {
    // Tokens are for admins, whatever is done with them.
    const [method = '', path = ''] = request.split(' ');
    return nextAfterForbidden(path.startsWith('/v1/tokens') ? 'POST' : path === '/v1/plan-previews' ? 'GET' : method);
  }
  const next = nextStep(problem, request);
  if (next !== undefined) return next ?? undefined;
  if (problem.status === 412) return 'look again with: headgate status ROLLOUT, and decide anew';
  if (problem.status === 409) return 'see what is running: headgate status';
  return problem.status >= 500 ? 'look at the log of the controller; the trace id finds the place' : undefined;
};

/** The fields, unless there is but one and it says again what was said already. */
const faultLines = ({ errors = [], detail }: Problem): readonly string[] =>
  errors
    .map((error) => ({ ...error, line: `${error.pointer || '/'}: ${error.detail}` }))
    .filter((error) => errors.length > 1 || (error.detail !== detail && !detail.includes(error.line)))
    .map(({ line }) => line);

const ofProblem = (error: ProblemError, settings: Settings | undefined): Failure => {
  const { problem } = error;
  const trace = problem.traceId === undefined || problem.status < 500 ? [] : [`trace id ${problem.traceId}`];
  return {
    exitCode: exitCodeOf(problem),
    message: `${problem.detail || problem.title} (${problem.code}, ${problem.status})`,
    details: [...faultLines(problem), ...trace],
    next: nextAfter(problem, error.request, settings),
  };
};

/** Of a change that may have been carried out all the same: said again it would be another one. */
const lookFirst = ({ request, mayHaveArrived }: UnreachableError): string | undefined => {
  const [method, path = ''] = request.split(' ');
  if (!mayHaveArrived || method === 'GET') return undefined;
  const [, rollout] = /^\/v1\/rollouts\/([0-9a-f-]{36})\//.exec(path) ?? [];
  const look = rollout === undefined ? 'headgate history --limit 20' : `headgate status ${rollout}`;
  return `it may have been carried out, and only the answer was lost: look before you repeat it, with: ${look}`;
};

const ofUnreachable = (error: UnreachableError, settings: Settings | undefined): Failure => {
  const from = settings?.urlFrom;
  const dead = settings?.deadPid;
  return {
    exitCode: EXIT.unexpected,
    message: `no controller answers at ${error.url}`,
    details: [
      `tried ${error.request} ${error.attempts === 1 ? 'once' : `${error.attempts} times`}: ${error.why}`,
      ...(from === undefined ? [] : [`the address is from ${from}`]),
      ...(dead === undefined ? [] : [`the process that wrote it (${dead}) has ended`]),
    ],
    next:
      lookFirst(error) ??
      (from === '--url' || from === 'HEADGATE_URL'
        ? `check ${from} and that the controller runs there`
        : 'start a controller on this machine with `npm start`, or name one with --url or HEADGATE_URL'),
  };
};

/** What to show of anything that was thrown. */
export const failureOf = (thrown: unknown, settings: Settings | undefined): Failure => {
  if (thrown instanceof CliError) return thrown;
  if (thrown instanceof ProblemError) return ofProblem(thrown, settings);
  if (thrown instanceof UnreachableError) return ofUnreachable(thrown, settings);
  if (thrown instanceof InterruptedError) {
    return { exitCode: EXIT.interrupted, message: 'interrupted; nothing was sent', details: [], next: undefined };
  }
  if (thrown instanceof ReplyError) {
    const next = 'is it a Headgate controller of the same version as this command?';
    return { exitCode: EXIT.unexpected, message: thrown.message, details: [], next };
  }
  if (thrown instanceof CommanderError) {
    return {
      exitCode: EXIT.usage,
      message: thrown.message.replace(/^error: /, ''),
      details: [],
      next: 'see: headgate help',
    };
  }
  return { exitCode: EXIT.unexpected, message: messageOf(thrown), details: [], next: undefined };
};

/** The lines for stderr, within the width. */
export const renderFailure = (failure: Failure, { paint, width }: Pick<Look, 'paint' | 'width'>): string =>
  [
    hang(
      `${paint.red(failure.exitCode === EXIT.interrupted ? 'stopped:' : 'error:')} ${plain(failure.message)}`,
      width,
      7,
    ),
    ...failure.details.map((detail) => hang(`  ${plain(detail)}`, width, 4)),
    ...(failure.next === undefined ? [] : [hang(`${paint.dim('next:')} ${plain(failure.next)}`, width, 6)]),
    '',
  ].join('\n');
