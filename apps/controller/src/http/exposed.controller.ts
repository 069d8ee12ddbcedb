import { Controller, Get, Param, Query, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { ExposedUnits, exposedView, LiveView } from '#libs/application';
import { ExposedView, Name } from '#libs/contracts';
import { Clock } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { ExactReads } from './exact-reads.js';
import { ProblemError } from './problem.js';
import { rolloutNotFound } from './rollouts.controller.js';
import { wholeNumber } from './whole-number.js';

export const ExactQuery = z.strictObject({
  /** Counts of few units as well; takes the role investigator and a reason, and is recorded. */
  exact: z.literal('true').optional(),
  reason: z.string().max(500).optional(),
});
type ExactQuery = z.output<typeof ExactQuery>;

const RevisionQuery = ExactQuery.extend({ config: Name, revision: wholeNumber(1, 1_000_000_000) });

type Of = { readonly config: string; readonly revision: number; readonly rollouts: readonly string[] };

@ApiTags('evidence')
@ApiBearerAuth()
@Controller('v1')
@Needs('viewer')
export class ExposedController {
  constructor(
    private readonly view: LiveView,
    private readonly exposed: ExposedUnits,
    private readonly reads: ExactReads,
    private readonly commands: CommandBus,
    private readonly clock: Clock,
  ) {}

  /** Requests and units that were exposed to the candidate of a rollout, by platform, target, model and hour. */
  @Get('rollouts/:id/exposed')
  @ApiOkResponse({ standardSchema: ExposedView })
  ofRollout(
    @Param('id') id: string,
    @Query({ schema: ExactQuery }) query: ExactQuery,
    @Req() request: Caller,
  ): Promise<ExposedView> {
    const entry = this.view.rollouts.get(id);
    if (!entry) throw rolloutNotFound(id);
    const { config, revision } = entry.rollout;
    return this.show({ config, revision, rollouts: [id] }, query, request);
  }

  /** The same for all rollouts of a revision. */
  @Get('exposed')
  @ApiOkResponse({ standardSchema: ExposedView })
  ofRevision(
    @Query({ schema: RevisionQuery }) { config, revision, ...query }: z.output<typeof RevisionQuery>,
    @Req() request: Caller,
  ): Promise<ExposedView> {
    if (this.view.fleet.valueOf(config, revision) === undefined)
      throw new ProblemError('config-not-found', `There is no revision ${revision} of a config ${config}.`, [
        { pointer: '/revision', detail: 'a revision that was proposed' },
      ]);
    const rollouts = [...this.view.rollouts.values()]
      .filter(({ rollout }) => rollout.config === config && rollout.revision === revision)
      .map(({ rollout }) => rollout.id);
    return this.show({ config, revision, rollouts }, query, request);
  }

  private async show(of: Of, query: ExactQuery, request: Caller): Promise<ExposedView> {
    const read = { what: 'exposed' as const, ...of, rollouts: [...of.rollouts] };
    const minUnits = await this.reads.limitFor(request, query, this.commands, read);
    await this.exposed.take(this.clock.now());
    const platformOf = (target: string): string => this.view.fleet.targets.get(target)?.platform ?? 'unknown';
    return exposedView(await this.exposed.cells(of.rollouts), { ...of, platformOf, minUnits });
  }
}
