import { Controller, Get, Param, Query, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  Evidence,
  explain,
  hideFew,
  LiveView,
  lookList,
  ProgressBoard,
  rolloutView,
  type RolloutEntry,
} from '#libs/application';
import { EvidenceView, LookList, Name } from '#libs/contracts';
import { Needs, type Caller } from './auth.js';
import { ExactReads } from './exact-reads.js';
import { ExactQuery } from './exposed.controller.js';
import { ProblemError } from './problem.js';
import { rolloutNotFound } from './rollouts.controller.js';
import { wholeNumber } from './whole-number.js';

const EvidenceQuery = ExactQuery.extend({ signal: Name.optional() });
const LooksQuery = z.strictObject({
  after: wholeNumber(0, 2_147_483_647).default(0),
  limit: wholeNumber(1, 1_000).default(500),
});

@ApiTags('evidence')
@ApiBearerAuth()
@Controller('v1/rollouts/:id')
@Needs('viewer')
export class EvidenceController {
  /** The evidence that is being folded for a reader: one at a time, so that readers never crowd out the judge. */
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly view: LiveView,
    private readonly board: ProgressBoard,
    private readonly evidence: Evidence,
    private readonly reads: ExactReads,
    private readonly commands: CommandBus,
  ) {}

  /** What the verdicts of a rollout rest on, signal by signal. */
  @Get('evidence')
  @ApiOkResponse({ standardSchema: EvidenceView })
  async read(
    @Param('id') id: string,
    @Query({ schema: EvidenceQuery }) { signal, ...exact }: z.output<typeof EvidenceQuery>,
    @Req() request: Caller,
  ): Promise<EvidenceView> {
    const entry = this.entryOf(id);
    const { signals, tracks } = entry.rollout.plan;
    const known = [...signals, ...tracks.flatMap(({ parity }) => parity)].map((each) => each.signal);
    if (signal !== undefined && !known.includes(signal))
      throw new ProblemError('signal-not-in-plan', `The plan of this rollout has no signal ${signal}.`, [
        { pointer: '/signal', detail: `one of ${[...new Set(known)].join(', ')}` },
      ]);
    const { config, revision } = entry.rollout;
    const read = { what: 'evidence' as const, config, revision, rollouts: [id] };
    const minUnits = await this.reads.limitFor(request, exact, this.commands, read);
    const explained = this.running.then(() => this.explain(entry, signal));
    this.running = explained.catch(() => undefined);
    if (minUnits === null) return explained;
    return hideFew(await explained, await this.evidence.activation(id), minUnits);
  }

  /** The looks of a rollout as they were folded: from them every verdict can be computed again. */
  @Get('looks')
  @ApiOkResponse({ standardSchema: LookList })
  looks(@Param('id') id: string, @Query({ schema: LooksQuery }) query: z.output<typeof LooksQuery>): Promise<LookList> {
    return lookList(this.entryOf(id).rollout.id, this.evidence, query);
  }

  private async explain(entry: RolloutEntry, signal: string | undefined): Promise<EvidenceView> {
    const progress = await this.board.get([entry.rollout.id]);
    const standing = rolloutView(entry, progress.get(entry.rollout.id));
    return explain(entry.rollout, this.evidence, standing, signal === undefined ? undefined : [signal]);
  }

  private entryOf(id: string): RolloutEntry {
    const entry = this.view.rollouts.get(id);
    if (!entry) throw rolloutNotFound(id);
    return entry;
  }
}
