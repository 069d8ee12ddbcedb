import type { FastifyReply } from 'fastify';
import type { OfrepResponse, RulesetResponse } from '#libs/platforms';

/** Sends what was made ready elsewhere, as JSON. */
export const sendText = (reply: FastifyReply, { status, body, headers }: OfrepResponse | RulesetResponse): void => {
  void reply
    .status(status)
    .headers({ ...(body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }), ...headers })
    .send(body);
};
