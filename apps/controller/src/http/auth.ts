import { Injectable, NotFoundException, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { LiveView, type Token } from '#libs/application';
import type { Role } from '#libs/contracts';
import { covers, TokenChecker } from '../composition/token-checker.js';
import { ProblemError } from './problem.js';

const NEEDS = 'headgate:needs';

/**
 * Which role a route asks for: `anybody` is whoever has a token, `nobody` asks for none. A route without it is refused to
 * everybody: forgetting is safe.
 */
export const Needs = (role: Role | 'anybody' | 'nobody'): MethodDecorator & ClassDecorator => SetMetadata(NEEDS, role);

export type Caller = FastifyRequest & { caller?: Token };

type Known = { readonly tokens: TokenChecker; readonly view: LiveView };

/** Whose request it is. Throws the problem that answers a request without a token that counts. */
const callerOf = ({ headers }: FastifyRequest, { tokens, view }: Known): Token => {
  // What it knows of tokens, configs and rollouts is old: another controller has to answer.
  if (view.failure) throw view.failure;
  const secret = /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1];
  const token = secret === undefined ? undefined : tokens.identify(secret);
  if (token) return token;
  const detail =
    secret === undefined
      ? 'This needs a token: send "Authorization: Bearer <token>".'
      : 'This token is unknown, revoked or expired: ask an admin for a new one (headgate token create).';
  throw new ProblemError('unauthenticated', detail, [], { 'www-authenticate': 'Bearer' });
};

/** What needs no token has no body either. */
const BODYLESS = new Set(['GET', 'HEAD']);

/** An answer that comes before the body: a small rest of it is still taken, so that the client reads the answer. */
const leavesBody = ({ headers }: FastifyRequest, mostBytes: number): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > mostBytes;

/** Looks at the token, and whether there is anything at that address, before a byte of the body is read. */
export const checkCallers = (server: FastifyInstance, known: Known, mostBytes: number): void => {
  server.addHook('onRequest', async (request, reply) => {
    if (BODYLESS.has(request.method)) return;
    try {
      callerOf(request, known);
      if (request.is404) throw new NotFoundException(`Cannot ${request.method} ${request.url}`);
    } catch (error) {
      if (leavesBody(request, mostBytes)) void reply.header('connection', 'close');
      throw error;
    }
  });
};

@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: TokenChecker,
    private readonly view: LiveView,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const needs = this.reflector.getAllAndOverride<Role | 'anybody' | 'nobody' | undefined>(NEEDS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (needs === 'nobody') return true;
    const request = context.switchToHttp().getRequest<Caller>();
    const token = callerOf(request, { tokens: this.tokens, view: this.view });
    if (needs === undefined || (needs !== 'anybody' && !covers(token.role, needs))) {
      throw new ProblemError(
        'forbidden',
        `${token.subject} has the role ${token.role}; this needs ${needs ?? 'a role that no token has'}.`,
      );
    }
    request.caller = token;
    return true;
  }
}
