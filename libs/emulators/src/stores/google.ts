import { json, Refusal, type Failure, type StoreAnswer, type StoreRequest } from './wire.js';

const STATUS: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
};

const FAILURES: Readonly<Record<Failure, readonly [string, string]>> = {
  throttled: ['RESOURCE_EXHAUSTED', 'Quota exceeded for quota metric'],
  'server-error': ['INTERNAL', 'Internal error encountered.'],
  unavailable: ['UNAVAILABLE', 'The service is currently unavailable.'],
  'expired-credentials': ['UNAUTHENTICATED', 'Request had invalid authentication credentials.'],
  forbidden: ['PERMISSION_DENIED', 'Permission denied on resource.'],
};

const refused = (status: string, message: string): StoreAnswer => {
  const code = STATUS[status] ?? 400;
  return json(code, { error: { code, message, status } });
};

export const googleFailure = (fault: Failure): StoreAnswer => refused(...FAILURES[fault]);

/** Answers in Google's shape; whoever shows no token is refused. Whose token it is is not looked at. */
export const googleAnswer = (request: StoreRequest, answer: () => unknown): StoreAnswer => {
  try {
    if (!/^Bearer \S+$/.test(request.headers['authorization'] ?? ''))
      throw new Refusal('UNAUTHENTICATED', 'Request is missing required authentication credential.');
    return json(200, answer());
  } catch (error) {
    if (error instanceof Refusal) return refused(error.code, error.message);
    throw error;
  }
};

export const googleBody = (body: string): Readonly<Record<string, unknown>> => {
  try {
    return (body === '' ? {} : JSON.parse(body)) as Readonly<Record<string, unknown>>;
  } catch {
    throw new Refusal('INVALID_ARGUMENT', 'Invalid JSON payload received.');
  }
};
