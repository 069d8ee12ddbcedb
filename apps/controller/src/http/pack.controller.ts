import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Get, Param, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Evidence, evidencePack, LiveView } from '#libs/application';
import { Clock, EventStore, LogTree, PackSealer } from '#libs/kernel';
import { Needs } from './auth.js';
import { ProblemError } from './problem.js';
import { rolloutNotFound } from './rollouts.controller.js';

const ZIP = 'application/zip';

@ApiTags('evidence')
@ApiBearerAuth()
@Controller('v1/rollouts/:id')
@Needs('viewer')
export class PackController {
  /** The pack that is being made: one at a time, as each is held in memory as a whole. */
  private running: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly view: LiveView,
    private readonly store: EventStore,
    private readonly tree: LogTree,
    private readonly evidence: Evidence,
    private readonly packs: PackSealer,
    private readonly clock: Clock,
  ) {}

  /** The events of a rollout with proofs, what its verdicts rest on, and a page to read, signed, as one archive. */
  @Get('pack')
  @ApiProduces(ZIP)
  @ApiOkResponse({ description: 'An archive whose manifest the key of the log signs', type: String })
  async read(@Param('id') id: string, @Res() reply: FastifyReply): Promise<void> {
    if (!this.view.rollouts.has(id)) throw rolloutNotFound(id);
    const made = this.running.then(() => this.make(id));
    this.running = made.catch(() => undefined);
    const archive = await made;
    void reply
      .type(ZIP)
      .headers({ 'cache-control': 'no-store', 'content-disposition': `attachment; filename="rollout-${id}.zip"` })
      .send(archive);
  }

  private async make(id: string): Promise<Uint8Array> {
    const { store, tree, evidence, clock } = this;
    const pause = (ms: number): Promise<void> => sleep(ms);
    const pack = await evidencePack(id, { store, tree, evidence, now: clock.now(), pause });
    if ('rejection' in pack) throw ProblemError.of(pack.rejection);
    const archive = await this.packs.seal(pack.title, pack.files);
    if (archive !== undefined) return archive;
    throw new ProblemError(
      'seal-key-missing',
      'This controller does not have the key that signs the log, so it can sign no pack: ask one that has it, or give it HEADGATE_SEAL_KEY_FILE or HEADGATE_SEAL_KEY.',
    );
  }
}
