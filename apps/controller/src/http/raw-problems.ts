import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from './problem.js';

/** A request that is not there as a whole after this is given up; its answer may take as long as it wants. */
export const REQUEST_TIMEOUT_MS = 10_000;

const problemOfClient = (code: string): ProblemError => {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new ProblemError('headers-too-large', 'The headers are too large: send 16 KiB of them at most.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new ProblemError(
      'request-timeout',
      `The request did not arrive within ${REQUEST_TIMEOUT_MS / 1_000} s: send it again, whole.`,
    );
  return new ProblemError('invalid-request', 'What arrived is not HTTP: check address, port and protocol.');
};

/** Answers what never became a request: headers too large, a body that never came, not HTTP at all. */
export const answerClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  if (socket.writable) {
    const problem = problemOfClient(error.code ?? '').toProblem('');
    const body = JSON.stringify(problem);
    const head = `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}`;
    const type = `Content-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}`;
    socket.write(`${head}\r\n${type}\r\nConnection: close\r\n\r\n${body}`);
  }
  socket.destroy(error);
};

/** Answers addresses that the router cannot read, before any route is chosen. */
export const answerBadAddress = (error: Error, request: FastifyRequest, reply: FastifyReply): void => {
  const problem = new ProblemError('invalid-request', `The address cannot be read: ${error.message}.`);
  void reply
    .status(problem.status)
    .type('application/problem+json')
    .send(JSON.stringify(problem.toProblem(request.url.split('?')[0] ?? '')));
};
