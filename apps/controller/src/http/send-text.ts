import type { FastifyReply } from 'fastify';
import type { OfrepResponse, RulesetResponse } from '#libs/platforms';

/** Sends what was made ready elsewhere, as JSON. */
export const sendText = (reply: FastifyReply, { status, body, headers }: OfrepResponse | RulesetResponse): void => {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  void reply
    .status(status)
    .headers({ ...(text === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' }), ...headers })
    .send(text);
};
