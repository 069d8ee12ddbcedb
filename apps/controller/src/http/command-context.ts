import { createHash } from 'node:crypto';
import type { CommandContext, Outcome } from '#libs/application';
import { uuidv7 } from '../composition/ids.js';
import type { Caller } from './auth.js';
import { ProblemError } from './problem.js';

const headerOf = (request: Caller, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

const commandIdOf = (request: Caller, subject: string): string => {
  const key = headerOf(request, 'idempotency-key');
  if (key === undefined) return uuidv7();
  if (key.length === 0 || key.length > 128) {
    throw new ProblemError('invalid-request', 'The Idempotency-Key must have 1 to 128 characters.', [
      { pointer: '/headers/idempotency-key', detail: '1 to 128 characters' },
    ]);
  }
  return `${subject}/${key}`;
};

const expectedVersionOf = (request: Caller): number | undefined => {
  const header = headerOf(request, 'if-match');
  if (header === undefined || header === '*') return undefined;
  const version = /^"(\d+)"$/.exec(header)?.[1];
  if (version === undefined) {
    throw new ProblemError('invalid-request', 'If-Match must be an entity tag as the resource gave it, such as "7".', [
      { pointer: '/headers/if-match', detail: 'an entity tag such as "7"' },
    ]);
  }
  return Number(version);
};

/** Who asks, under which id, from the request. The same key with another body is told apart by the fingerprint. */
export const contextOf = (request: Caller, body: unknown, reason?: string): CommandContext => {
  const { caller } = request;
  if (!caller) throw new ProblemError('unauthenticated', 'This needs a token.');
  const commandId = commandIdOf(request, caller.id);
  const traceparent = headerOf(request, 'traceparent');
  const expectedVersion = expectedVersionOf(request);
  const fingerprint = createHash('sha256')
    .update(`${request.method} ${request.url}\n${JSON.stringify(body)}`)
    .digest('hex');
  return {
    actor: { kind: 'token', name: caller.subject },
    commandId,
    fingerprint,
    correlationId: commandId,
    ...(traceparent === undefined ? {} : { traceparent: traceparent.slice(0, 55) }),
    ...(reason === undefined ? {} : { reason }),
    ...(expectedVersion === undefined ? {} : { expectedVersion }),
  };
};

/** The outcome of a command, or its refusal thrown as a problem. */
export const accepted = (outcome: Outcome): Extract<Outcome, { accepted: true }> => {
  if (!outcome.accepted) throw ProblemError.of(outcome.rejection);
  return outcome;
};
