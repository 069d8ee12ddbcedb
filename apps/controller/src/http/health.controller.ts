import { Controller, Get, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Needs } from './auth.js';

/** Whether this controller can do its work now, the reasons when it cannot, and what is wrong all the same. */
export abstract class Readiness {
  abstract check(): Promise<{
    readonly ready: boolean;
    readonly reasons: readonly string[];
    readonly warnings?: readonly string[];
    /** Long work that goes on beside, and how far it is. */
    readonly progress?: readonly string[];
  }>;
}

@ApiExcludeController()
@Controller()
@Needs('nobody')
export class HealthController {
  constructor(private readonly readiness: Readiness) {}

  @Get('healthz')
  health(): { readonly status: 'ok' } {
    return { status: 'ok' };
  }

  @Get('readyz')
  async ready(@Res() reply: FastifyReply): Promise<void> {
    const { ready, ...why } = await this.readiness.check();
    void reply.status(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not-ready', ...why });
  }
}
