import type { FastifyInstance } from 'fastify';
import { ProblemError } from './problem.js';

/** No config needs more, and what reads it later (database, clients of the fleets) does not take much more. */
const DEEPEST = 64;

type Fault = { readonly pointer: string; readonly detail: string };
type Visit = { readonly value: unknown; readonly pointer: string; readonly depth: number };

/** Text that PostgreSQL and canonical JSON (RFC 8785) can hold: no NUL, no half of a surrogate pair. */
export const isStorable = (text: string): boolean => !text.includes('\u0000') && !/\p{Surrogate}/u.test(text);

const UNSTORABLE = 'holds a NUL or half a character: send printable text';

const faultOf = ({ value, pointer, depth }: Visit): Fault | undefined => {
  if (typeof value === 'string') return isStorable(value) ? undefined : { pointer, detail: UNSTORABLE };
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= DEEPEST)
    return { pointer, detail: `is nested more than ${DEEPEST} levels deep: send something flatter` };
  return Object.keys(value).every(isStorable) ? undefined : { pointer, detail: `has a field whose name ${UNSTORABLE}` };
};

const escape = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

/** What makes a JSON value impossible to keep; it is walked without recursion, so no depth is too deep to say so. */
export const faultOfJson = (body: unknown): Fault | undefined => {
  const waiting: Visit[] = [{ value: body, pointer: '', depth: 0 }];
  for (let visit = waiting.pop(); visit !== undefined; visit = waiting.pop()) {
    const fault = faultOf(visit);
    if (fault !== undefined) return fault;
    const { value, pointer, depth } = visit;
    if (typeof value !== 'object' || value === null) continue;
    for (const [key, inner] of Object.entries(value))
      waiting.push({ value: inner, pointer: `${pointer}/${escape(key)}`, depth: depth + 1 });
  }
  return undefined;
};

/** Fleets send much and often, and what they send is checked item by item where it is read. */
const isOfFleet = (url: string): boolean => /^\/v1\/(outcomes|metrics|logs|targets\/)/.test(url);

/** Refuses bodies that could be read but never kept, before anybody looks at them. */
export const checkBodies = (server: FastifyInstance): void => {
  server.addHook('preValidation', (request, _reply, done) => {
    const fault = isOfFleet(request.url) ? undefined : faultOfJson(request.body);
    if (fault === undefined) return done();
    const where = fault.pointer === '' ? 'The body' : `The request cannot be kept: ${fault.pointer}`;
    return done(new ProblemError('invalid-request', `${where} ${fault.detail}.`, [fault]));
  });
};
