import type { Problem } from '#libs/contracts';

/** The controller refused, and said why (RFC 9457). */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly problem: Problem,
    /** Such as `POST /v1/rollouts`. */
    readonly request: string,
  ) {
    super(problem.detail || problem.title);
  }
}

/** No answer came from the controller. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';

  constructor(
    readonly url: string,
    readonly request: string,
    readonly attempts: number,
    /** The innermost cause in words, such as `connect ECONNREFUSED 127.0.0.1:7070`. */
    readonly why: string,
    /** Whether it may have arrived, and only its answer was lost. */
    readonly mayHaveArrived = false,
  ) {
    super(`no answer from ${url}: ${why}`);
  }
}

/** An answer came, but it is not what the contract says. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError';

  constructor(
    readonly url: string,
    readonly request: string,
    readonly why: string,
  ) {
    super(`${request} at ${url} was answered with something unreadable: ${why}`);
  }
}

/** The innermost cause in words: fetch itself only says `fetch failed`. */
export const rootCause = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.cause !== undefined) return rootCause(thrown.cause);
  if (thrown instanceof AggregateError && thrown.errors.length > 0) return rootCause(thrown.errors[0]);
  return thrown.message || thrown.name;
};
