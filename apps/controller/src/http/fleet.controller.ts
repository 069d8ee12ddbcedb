import { Body, Controller, Delete, Get, Headers, HttpCode, Param, Post, Put, Req, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Acknowledgement, OutcomeBatch, OutcomeReceipt } from '#libs/contracts';
import { Clock, EventStore } from '#libs/kernel';
import { LiveView } from '#libs/application';
import { PullDriver, RulesetFeed, rulesetResponse } from '#libs/platforms';
import { OutcomeIntake } from '#libs/signals';
import { knowGeneration } from '../composition/known-generation.js';
import { Needs, type Caller } from './auth.js';
import { isStorable } from '#libs/contracts';
import { ProblemError } from './problem.js';
import { sendText } from './send-text.js';

/** What fleets call: rulesets on the way out, acknowledgements and outcomes on the way in. */
@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1')
@Needs('service')
export class FleetController {
  constructor(
    private readonly store: EventStore,
    private readonly view: LiveView,
    private readonly feed: RulesetFeed,
    private readonly driver: PullDriver,
    private readonly intake: OutcomeIntake,
    private readonly clock: Clock,
  ) {}

  /** The target's ruleset in flagd's format, for evaluation in process; its generation is the entity tag. */
  @Get('targets/:target/ruleset')
  @ApiOkResponse({ description: 'A flagd flag definition' })
  ruleset(
    @Param('target') target: string,
    @Headers('if-none-match') etag: string | undefined,
    @Res() reply: FastifyReply,
  ): void {
    const response = rulesetResponse(this.feed, target, etag);
    if (response.status === 404)
      throw new ProblemError('target-not-found', `Target ${target} has no ruleset. Apply its manifest first.`);
    sendText(reply, response);
  }

  /** A heartbeat of an instance that says which generation it evaluates with. */
  @Put('targets/:target/instances/:instance')
  @HttpCode(204)
  @ApiNoContentResponse()
  async acknowledge(
    @Param('target') target: string,
    @Param('instance') instance: string,
    @Body({ schema: Acknowledgement }) body: Acknowledgement,
  ): Promise<void> {
    this.#check(target, instance);
    const { since, ...heartbeat } = body;
    const told = since === undefined ? heartbeat : { ...heartbeat, since: Date.parse(since) };
    await this.driver.acknowledge(target, instance, told, this.clock.now());
  }

  /** An instance says that it ends. Who leaves without a word has stopped talking, and keeps stages from passing. */
  @Delete('targets/:target/instances/:instance')
  @HttpCode(204)
  @ApiNoContentResponse()
  async leave(@Param('target') target: string, @Param('instance') instance: string): Promise<void> {
    this.#check(target, instance);
    await this.driver.leave(target, instance);
  }

  /** Outcomes: bad ones one by one, good ones as counts. Wrong items are refused by themselves, the rest is kept. */
  @Post('outcomes')
  @HttpCode(202)
  @ApiAcceptedResponse({ standardSchema: OutcomeReceipt })
  async outcomes(@Body({ schema: OutcomeBatch }) batch: OutcomeBatch, @Req() request: Caller): Promise<OutcomeReceipt> {
    const newest = batch.windows.reduce((most, { generation }) => Math.max(most, generation), 0);
    await knowGeneration(newest, this.view, this.store);
    return this.intake.submit(batch, { token: request.caller?.subject ?? '' }, this.clock.now());
  }

  #check(target: string, instance: string): void {
    if (!this.view.fleet.targets.has(target))
      throw new ProblemError('target-not-found', `There is no target ${target}. Apply its manifest first.`);
    if (instance.length > 128 || !isStorable(instance))
      throw new ProblemError('invalid-request', 'An instance id has at most 128 printable characters: shorten it.', [
        { pointer: '/instance', detail: 'at most 128 printable characters' },
      ]);
  }
}
