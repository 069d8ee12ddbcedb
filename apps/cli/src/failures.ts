import { CommanderError } from 'commander';
import type { Problem } from '#libs/contracts';
import { ProblemError, ReplyError, UnreachableError } from './client-errors.js';
import { CliError, InterruptedError, messageOf } from './errors.js';
import { EXIT } from './exit-codes.js';
import type { ExitCode } from './exit-codes.js';
import { plain } from './format.js';
import type { Paint } from './look.js';
import type { Settings } from './settings.js';

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

const nextAfter = (problem: Problem, settings: Settings | undefined): string | undefined => {
  if (problem.status === 401) {
    return settings?.token === undefined
      ? 'give a token: --token-file FILE, or HEADGATE_TOKEN in the environment'
      : 'the token may be revoked or expired, or belong to another controller; an admin makes a new one with: headgate token create';
  }
  if (problem.status === 403) return 'use a token of a role that may do this: operator for changes, admin for tokens';
  if (problem.status === 412) return 'look again with: headgate status ROLLOUT, and decide anew';
  if (problem.code === 'config-not-found') return 'apply its manifest first: headgate apply -f FILE';
  if (problem.code === 'undo-ambiguous' || problem.code === 'later-revisions-settled')
    return 'say which: --revision NUMBER takes that one back, --to NUMBER goes back to that one';
  if (problem.status === 409) return 'see what is running: headgate status';
  return problem.status >= 500 ? 'look at the log of the controller; the trace id finds the place' : undefined;
};

const ofProblem = (error: ProblemError, settings: Settings | undefined): Failure => {
  const { problem } = error;
  const trace = problem.traceId === undefined || problem.status < 500 ? [] : [`trace id ${problem.traceId}`];
  return {
    exitCode: exitCodeOf(problem),
    message: `${problem.detail || problem.title} (${problem.code}, ${problem.status})`,
    details: [...(problem.errors ?? []).map(({ pointer, detail }) => `${pointer || '/'}: ${detail}`), ...trace],
    next: nextAfter(problem, settings),
  };
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
      from === '--url' || from === 'HEADGATE_URL'
        ? `check ${from} and that the controller runs there`
        : 'start a controller on this machine with `npm start`, or name one with --url or HEADGATE_URL',
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

/** The lines for stderr. */
export const renderFailure = (failure: Failure, paint: Paint): string =>
  [
    `${paint.red(failure.exitCode === EXIT.interrupted ? 'stopped:' : 'error:')} ${plain(failure.message)}`,
    ...failure.details.map((detail) => `  ${plain(detail)}`),
    ...(failure.next === undefined ? [] : [`${paint.dim('next:')} ${plain(failure.next)}`]),
    '',
  ].join('\n');
