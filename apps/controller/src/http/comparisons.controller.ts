import { Body, Controller, HttpCode, Post, Req } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { ComparisonBatch, ComparisonReceipt } from '#libs/contracts';
import { LiveView } from '#libs/application';
import { Clock, EventStore } from '#libs/kernel';
import { ComparisonIntake } from '#libs/signals';
import { Needs, type Caller } from './auth.js';

/** What whoever sends the same work to two targets reports. */
@ApiTags('fleet')
@ApiBearerAuth()
@Controller('v1')
@Needs('service')
export class ComparisonsController {
  constructor(
    private readonly store: EventStore,
    private readonly view: LiveView,
    private readonly intake: ComparisonIntake,
    private readonly clock: Clock,
  ) {}

  /** Pairs of answers by two targets to the same work. Wrong items are refused by themselves, the rest is kept. */
  @Post('comparisons')
  @HttpCode(202)
  @ApiAcceptedResponse({ standardSchema: ComparisonReceipt })
  async comparisons(
    @Body({ schema: ComparisonBatch }) batch: ComparisonBatch,
    @Req() request: Caller,
  ): Promise<ComparisonReceipt> {
    // Whoever compares may know of a rollout from another controller, a moment before this one has folded its start.
    await this.view.caughtUpWith(await this.store.head());
    return this.intake.submit(batch, { token: request.caller?.subject ?? '' }, this.clock.now());
  }
}
