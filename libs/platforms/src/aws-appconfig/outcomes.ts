import type { Outcome } from '../driver.js';

const DENIED = new Set([
  'AccessDeniedException',
  'CredentialsProviderError',
  'ExpiredTokenException',
  'IncompleteSignatureException',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationTokenException',
  'TokenProviderError',
  'UnrecognizedClientException',
]);
const THROTTLED = new Set(['ThrottlingException', 'TooManyRequestsException', 'RequestLimitExceeded']);
const REJECTED = new Set([
  'BadRequestException',
  'PayloadTooLargeException',
  'ResourceNotFoundException',
  'ServiceQuotaExceededException',
  'ValidationException',
]);

type AwsError = { readonly name: string; readonly message: string; readonly status: number | undefined };

const read = (error: unknown): AwsError => {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error), status: undefined };
  const { $metadata: metadata } = error as { $metadata?: { readonly httpStatusCode?: number } };
  return { name: error.name, message: error.message, status: metadata?.httpStatusCode };
};

/** Whether another writer was faster. */
export const isConflict = (error: unknown): boolean => read(error).name === 'ConflictException';

/** What an error of AWS means for the apply in which it came. */
export const outcomeOfAws = (target: string, generation: number, error: unknown): Outcome => {
  const { name, message, status } = read(error);
  const what = `AWS AppConfig, generation ${generation} of target ${target}: ${name}: ${message}`;
  if (name === 'ConflictException')
    return { kind: 'conflict', reason: 'concurrent', current: null, message: `${what}: it is tried again.` };
  if (THROTTLED.has(name) || status === 429) return { kind: 'throttled', retryAfterMs: null, message: what };
  if (DENIED.has(name) || status === 401 || status === 403)
    return { kind: 'denied', message: `${what}. See that the controller's credentials hold and may do it.` };
  if (REJECTED.has(name))
    return { kind: 'rejected', message: `${what}. See the settings of the target and the account's quotas.` };
  return { kind: 'unknown', message: what };
};
