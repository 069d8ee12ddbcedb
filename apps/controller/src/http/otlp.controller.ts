import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Clock } from '#libs/kernel';
import { encodeAnswer, OtlpReceiver, type Refusals } from '#libs/signals';
import { Needs, type Caller } from './auth.js';
import { bodyOf, formatOf, MEDIA_TYPES } from './otlp.js';

type Kind = 'metrics' | 'logs';

/** What OpenTelemetry's exporters call (OTLP/HTTP). */
@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1')
@Needs('service')
export class OtlpController {
  constructor(
    private readonly receiver: OtlpReceiver,
    private readonly clock: Clock,
  ) {}

  /** Metrics, of which signals with a source of type `otlp` are counted; those that no signal asks for are passed over. */
  @Post('metrics')
  @HttpCode(200)
  metrics(@Req() request: Caller, @Res() reply: FastifyReply): Promise<void> {
    return this.answer('metrics', request, reply);
  }

  /** Records, of which evaluations of feature flags tell who was served what; others are passed over. */
  @Post('logs')
  @HttpCode(200)
  logs(@Req() request: Caller, @Res() reply: FastifyReply): Promise<void> {
    return this.answer('logs', request, reply);
  }

  private async answer(kind: Kind, request: Caller, reply: FastifyReply): Promise<void> {
    const format = formatOf(request.headers);
    const reporter = { token: request.caller?.subject ?? '' };
    const refusals: Refusals = await this.receiver[kind](bodyOf(request), format, reporter, this.clock.now());
    void reply.type(MEDIA_TYPES[format]).send(encodeAnswer(kind, format, refusals));
  }
}
