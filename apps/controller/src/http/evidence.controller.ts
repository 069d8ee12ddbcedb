import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import {
  Evidence,
  explain,
  LiveView,
  lookList,
  ProgressBoard,
  rolloutView,
  type RolloutEntry,
} from '#libs/application';
import { EvidenceView, LookList, Name } from '#libs/contracts';
import { Needs } from './auth.js';
import { ProblemError } from './problem.js';
import { rolloutNotFound } from './rollouts.controller.js';
import { wholeNumber } from './whole-number.js';

const EvidenceQuery = z.object({ signal: Name.optional() });
const LooksQuery = z.object({
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
  ) {}

  /** What the verdicts of a rollout rest on, signal by signal. */
  @Get('evidence')
  @ApiOkResponse({ standardSchema: EvidenceView })
  async read(
    @Param('id') id: string,
    @Query({ schema: EvidenceQuery }) { signal }: z.output<typeof EvidenceQuery>,
  ): Promise<EvidenceView> {
    const entry = this.entryOf(id);
    const { signals, tracks } = entry.rollout.plan;
    const known = [...signals, ...tracks.flatMap(({ parity }) => parity)].map((each) => each.signal);
    if (signal !== undefined && !known.includes(signal))
      throw new ProblemError('signal-not-in-plan', `The plan of this rollout has no signal ${signal}.`, [
        { pointer: '/signal', detail: `one of ${[...new Set(known)].join(', ')}` },
      ]);
    const explained = this.running.then(() => this.explain(entry, signal));
    this.running = explained.catch(() => undefined);
    return explained;
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
