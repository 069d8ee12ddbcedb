import { Body, Controller, Get, Headers, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiExcludeEndpoint, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { arrivalOf, ChangeStreams, OfrepEvaluator, RulesetFeed, StreamPasses } from '#libs/platforms';
import { TokenChecker } from '../composition/token-checker.js';
import { Needs, type Caller } from './auth.js';
import { OfrepLimit } from './ofrep-limit.js';
import { ProblemError } from './problem.js';
import { sendText } from './send-text.js';

/** Where event streams are; clients are told the address, and it may change. */
export const STREAM_PATH = '/v1/ofrep-streams';

/** A client that was told of a change by a faster controller is answered when this one has it, or after this. */
const PATIENCE_MS = 2_000;

const GENERATION = /^"(\d{1,15})"$/;

/** Evaluation for clients that speak OFREP 0.3.0. */
@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1')
@Needs('service')
export class OfrepController {
  constructor(
    private readonly ofrep: OfrepEvaluator,
    private readonly feed: RulesetFeed,
    private readonly passes: StreamPasses,
    private readonly streams: ChangeStreams,
    private readonly limit: OfrepLimit,
    private readonly tokens: TokenChecker,
  ) {}

  @Post('targets/:target/ofrep/v1/evaluate/flags')
  @HttpCode(200)
  @ApiOkResponse({ description: 'OFREP bulk evaluation' })
  async evaluateAll(
    @Param('target') target: string,
    @Query('flagConfigEtag') told: string | undefined,
    @Body() body: unknown,
    @Headers('if-none-match') etag: string | undefined,
    @Req() { caller }: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const holder = caller?.id ?? '';
    this.limit.count(holder);
    const generation = Number(GENERATION.exec(String(told))?.[1] ?? 0);
    await arrivalOf(this.feed, target, generation, PATIENCE_MS);
    const offer = (unit: string, since: number) => this.passes.offer(target, { holder, unit, since });
    sendText(reply, this.ofrep.evaluateAll(target, body, etag, offer));
  }

  @Post('targets/:target/ofrep/v1/evaluate/flags/:key')
  @HttpCode(200)
  @ApiOkResponse({ description: 'OFREP evaluation' })
  evaluateOne(
    @Param('target') target: string,
    @Param('key') key: string,
    @Body() body: unknown,
    @Req() { caller }: Caller,
    @Res() reply: FastifyReply,
  ): void {
    this.limit.count(caller?.id ?? '');
    sendText(reply, this.ofrep.evaluateOne(target, key, body));
  }

  /** Server-sent events that tell of changes. Its caller is known by the pass: an EventSource sends no header. */
  @Get('ofrep-streams')
  @Needs('nobody')
  @ApiExcludeEndpoint()
  stream(
    @Query('pass') text: unknown,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Res() reply: FastifyReply,
  ): void {
    const pass = typeof text === 'string' ? this.passes.read(text) : undefined;
    if (pass === undefined || !this.tokens.stillAllows(pass.holder, 'service'))
      throw new ProblemError('unauthenticated', 'This address has run out: evaluate all flags again for a new one.');
    if (this.streams.isFull)
      throw new ProblemError(
        'too-many-requests',
        'This controller serves as many event streams as it can: come again later, or start another controller.',
        [],
        { 'retry-after': '30' },
      );
    const { raw } = reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'x-accel-buffering': 'no',
    });
    raw.write('retry: 1000\n\n');
    const known = /^\d{1,15}$/.exec(lastEventId ?? '')?.[0];
    this.streams.add(pass, known === undefined ? undefined : Number(known), raw);
  }
}
