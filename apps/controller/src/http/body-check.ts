import { unkeepableJson } from '#libs/contracts';
import type { FastifyInstance } from 'fastify';
import { ProblemError } from './problem.js';

/** Fleets send much and often, and what they send is checked item by item where it is read. */
const isOfFleet = (url: string): boolean => /^\/v1\/(outcomes|metrics|logs|targets\/)/.test(url);

/** Refuses bodies that could be read but never kept, before anybody looks at them. */
export const checkBodies = (server: FastifyInstance): void => {
  server.addHook('preValidation', (request, _reply, done) => {
    const fault = isOfFleet(request.url) ? undefined : unkeepableJson(request.body);
    if (fault === undefined) return done();
    const where = fault.pointer === '' ? 'The body' : `The request cannot be kept: ${fault.pointer}`;
    return done(new ProblemError('invalid-request', `${where} ${fault.detail}.`, [fault]));
  });
};
