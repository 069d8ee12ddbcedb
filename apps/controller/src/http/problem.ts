import { fieldFaults } from '#libs/contracts';
import type { FoundIssue, Problem } from '#libs/contracts';
import type { Rejection } from '#libs/kernel';

type Fault = { readonly pointer: string; readonly detail: string };

/** Rejections that are not a conflict with the current state (409). */
const STATUS: Readonly<Record<string, number>> = {
  'invalid-request': 400,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'stale-version': 412,
  'request-timeout': 408,
  'too-many-requests': 429,
  'too-large': 413,
  'unsupported-media-type': 415,
  'headers-too-large': 431,
  'idempotency-key-reused': 422,
  'not-supported-yet': 422,
  'schema-invalid': 422,
  'schema-too-slow': 422,
  'value-too-large': 422,
  'ruleset-too-large': 422,
  'value-does-not-fit-schema': 422,
  'exposure-out-of-range': 422,
  'quorum-out-of-range': 422,
  'exposure-shrinks': 422,
  'plan-stops-short': 422,
  'track-cycle': 422,
  'track-not-found': 422,
  'stage-not-found': 422,
  'signal-not-in-plan': 422,
  'duplicate-manifest': 422,
  'duplicate-track': 422,
  'duplicate-signal': 422,
  'duplicate-parity': 422,
  'same-track-twice': 422,
  'margin-out-of-range': 422,
  'signal-not-paired': 422,
  'nothing-guards': 422,
  'holdback-reason-missing': 422,
  'holdback-out-of-range': 422,
  'target-in-two-tracks': 422,
  'stage-never-measures': 422,
  'plan-never-tells': 422,
  'driver-cannot': 422,
  'question-too-broad': 422,
  'hook-url-refused': 422,
  'too-much-contention': 503,
  busy: 503,
  'not-ready': 503,
  'database-unavailable': 503,
};

const statusOf = (code: string): number => STATUS[code] ?? (code.endsWith('-not-found') ? 404 : 409);

const TITLES: Readonly<Record<number, string>> = {
  400: 'The request is malformed',
  401: 'Who are you?',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Not by this method',
  409: 'Not possible now',
  412: 'Somebody was faster',
  408: 'Too slow',
  413: 'Too large',
  415: 'Not JSON',
  422: 'Cannot be accepted as it is',
  429: 'Too many requests',
  431: 'Too large',
  503: 'Busy',
};

/** An expected refusal on its way to the one filter that answers with RFC 9457 problem details. */
export class ProblemError extends Error {
  readonly status: number;

  constructor(
    readonly code: string,
    detail: string,
    readonly errors: readonly Fault[] = [],
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = 'ProblemError';
    this.status = statusOf(code);
  }

  static of({ code, message, field }: Rejection): ProblemError {
    return new ProblemError(code, message, field === undefined ? [] : [{ pointer: field, detail: message }]);
  }

  toProblem(instance: string): Problem {
    return {
      type: `urn:headgate:problem:${this.code}`,
      title: TITLES[this.status] ?? 'Problem',
      status: this.status,
      detail: this.message,
      code: this.code,
      instance,
      ...(this.errors.length > 0 ? { errors: [...this.errors] } : {}),
    };
  }
}

const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

/** What a schema found wrong, with a JSON pointer for each field. */
export const invalidRequest = (issues: readonly FoundIssue[], under = ''): ProblemError => {
  const errors = issues
    .flatMap(fieldFaults)
    .map(({ path, message }) => ({ pointer: `${under}${pointerOf(path)}`, detail: message }));
  const first = errors[0];
  const where = first === undefined || first.pointer === '' ? '' : ` ${first.pointer}:`;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new ProblemError(
    'invalid-request',
    `The request cannot be read:${where} ${first?.detail ?? 'it has another form'}${more}.`,
    errors,
  );
};
