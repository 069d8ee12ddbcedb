import { Injectable, SetMetadata, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { LiveView, type Token } from '#libs/application';
import type { Role } from '#libs/contracts';
import { covers, TokenChecker } from '../composition/token-checker.js';
import { ProblemError } from './problem.js';

const NEEDS = 'headgate:needs';

/** Which role a route asks for. A route without it is refused to everybody: forgetting is safe. */
export const Needs = (role: Role | 'nobody'): MethodDecorator & ClassDecorator => SetMetadata(NEEDS, role);

export type Caller = FastifyRequest & { caller?: Token };

@Injectable()
export class AuthGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly tokens: TokenChecker,
    private readonly view: LiveView,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const needs = this.reflector.getAllAndOverride<Role | 'nobody' | undefined>(NEEDS, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (needs === 'nobody') return true;
    // What it knows of tokens, configs and rollouts is old: another controller has to answer.
    if (this.view.failure) throw this.view.failure;
    const request = context.switchToHttp().getRequest<Caller>();
    const secret = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '')?.[1];
    const token = secret === undefined ? undefined : this.tokens.identify(secret);
    if (!token) {
      const detail =
        secret === undefined
          ? 'This needs a token: send "Authorization: Bearer <token>".'
          : 'This token is unknown, revoked or expired: ask an admin for a new one (headgate token create).';
      throw new ProblemError('unauthenticated', detail, [], { 'www-authenticate': 'Bearer' });
    }
    if (needs === undefined || !covers(token.role, needs)) {
      throw new ProblemError(
        'forbidden',
        `${token.subject} has the role ${token.role}; this needs ${needs ?? 'a role that no token has'}.`,
      );
    }
    request.caller = token;
    return true;
  }
}
