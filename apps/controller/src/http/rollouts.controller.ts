import { Body, Controller, Get, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiBearerAuth, ApiCreatedResponse, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import {
  CommandRunner,
  Delivery,
  Evidence,
  LiveView,
  targetCapabilities,
  prepare,
  armlessWarnings,
  delayWarnings,
  instancesOn,
  latelyOf,
  recordedIn,
  previewOf,
  ProgressBoard,
  rolloutView,
  AbandonTargetCommand,
  StartRolloutCommand,
  SteerRolloutCommand,
  UndoRevisionCommand,
  violationsOf,
  type Lately,
  type Outcome,
  type Prepared,
  type StartRequest,
  type Steering,
  type Traffic,
} from '#libs/application';
import {
  AbandonRequest,
  AbortRequest,
  Name,
  PauseRequest,
  PlanPreview,
  PlanRequest,
  PromoteRequest,
  ResumeRequest,
  RolloutList,
  RolloutStatus,
  RolloutView,
  StartRolloutRequest,
  UndoRequest,
} from '#libs/contracts';
import { Clock } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { accepted, contextOf } from './command-context.js';
import { ProblemError } from './problem.js';
import { wholeNumber } from './whole-number.js';

/** Traffic of the last ten minutes is what a preview rests on. */
const LATELY_MS = 600_000;

const ListQuery = z.strictObject({
  status: RolloutStatus.optional(),
  config: z.string().max(100).optional(),
  limit: wholeNumber(1, 200).default(50),
  cursor: z.string().max(40).optional(),
});

const ROLLOUT_ID = /^[\da-f-]{36}$/;

export const rolloutNotFound = (id: string): ProblemError =>
  new ProblemError('rollout-not-found', `There is no rollout ${id.slice(0, 80)}. List them: headgate status`);

@ApiTags('rollouts')
@ApiBearerAuth()
@Controller('v1')
export class RolloutsController {
  constructor(
    private readonly commands: CommandBus,
    private readonly runner: CommandRunner,
    private readonly view: LiveView,
    private readonly board: ProgressBoard,
    private readonly evidence: Evidence,
    private readonly delivery: Delivery,
    private readonly clock: Clock,
  ) {}

  /** What a rollout would do and how long each stage must last. Writes nothing. */
  @Post('plan-previews')
  @HttpCode(200)
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: PlanPreview })
  async preview(@Body({ schema: PlanRequest }) request: z.output<typeof PlanRequest>): Promise<PlanPreview> {
    return (await this.forecast(request)).preview;
  }

  /** Starts a rollout: its first stage is asked for in the same transaction. */
  @Post('rollouts')
  @Needs('operator')
  @ApiCreatedResponse({ standardSchema: RolloutView })
  async start(
    @Body({ schema: StartRolloutRequest }) body: z.output<typeof StartRolloutRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    const context = contextOf(request, body, body.reason);
    if (!(await this.runner.remembers(context))) await this.refuseImpossible(body);
    const outcome = await this.commands.execute(new StartRolloutCommand(body, context));
    return this.answer(outcome, reply);
  }

  @Get('rollouts')
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: RolloutList })
  async list(@Query({ schema: ListQuery }) query: z.output<typeof ListQuery>): Promise<z.output<typeof RolloutList>> {
    const all = [...this.view.rollouts.values()]
      .filter(
        ({ rollout }) =>
          (query.status ?? rollout.status) === rollout.status && (query.config ?? rollout.config) === rollout.config,
      )
      .toReversed();
    const from = query.cursor === undefined ? 0 : all.findIndex(({ rollout }) => rollout.id === query.cursor) + 1;
    if (query.cursor !== undefined && from === 0) {
      throw new ProblemError('invalid-request', 'This cursor is none of this list: begin again without one.', [
        { pointer: '/cursor', detail: 'the nextCursor of a page of the same list' },
      ]);
    }
    const page = all.slice(from, from + query.limit);
    const progress = await this.board.get(page.map(({ rollout }) => rollout.id));
    const last = page.at(-1)?.rollout.id ?? null;
    return {
      items: page.map((entry) => rolloutView(entry, progress.get(entry.rollout.id))),
      nextCursor: from + page.length < all.length ? last : null,
    };
  }

  @Get('rollouts/:id')
  @Needs('viewer')
  @ApiOkResponse({ standardSchema: RolloutView })
  async read(@Param('id') id: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<RolloutView> {
    return this.show(id, reply);
  }

  /** Stops advance on all tracks; guardrails and rollback go on. */
  @Post('rollouts/:id/pause')
  @HttpCode(200)
  @Needs('operator')
  @ApiOkResponse({ standardSchema: RolloutView })
  pause(
    @Param('id') id: string,
    @Body({ schema: PauseRequest }) body: z.output<typeof PauseRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    return this.steer(id, 'pause', body, request, reply);
  }

  @Post('rollouts/:id/resume')
  @HttpCode(200)
  @Needs('operator')
  @ApiOkResponse({ standardSchema: RolloutView })
  resume(
    @Param('id') id: string,
    @Body({ schema: ResumeRequest }) body: z.output<typeof ResumeRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    return this.steer(id, 'resume', body, request, reply);
  }

  /** Sends the current stage on before it has shown all it should; never past a failed signal. */
  @Post('rollouts/:id/promote')
  @HttpCode(200)
  @Needs('operator')
  @ApiOkResponse({ standardSchema: RolloutView })
  promote(
    @Param('id') id: string,
    @Body({ schema: PromoteRequest }) body: z.output<typeof PromoteRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    return this.steer(id, 'promote', body, request, reply);
  }

  /** Gives up on a target that a rollback cannot reach or see drained; the others go on. */
  @Post('rollouts/:id/abandon')
  @HttpCode(200)
  @Needs('operator')
  @ApiOkResponse({ standardSchema: RolloutView })
  async abandon(
    @Param('id') id: string,
    @Body({ schema: AbandonRequest }) body: z.output<typeof AbandonRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    if (!ROLLOUT_ID.test(id)) throw rolloutNotFound(id);
    const { target, reason } = body;
    const context = contextOf(request, body, reason);
    return this.answer(await this.commands.execute(new AbandonTargetCommand(id, target, reason, context)), reply);
  }

  /** Takes a settled revision back, everywhere at once, as a rollout of its own. */
  @Post('configs/:key/undo')
  @Needs('operator')
  @ApiCreatedResponse({ standardSchema: RolloutView })
  async undo(
    @Param('key') key: string,
    @Body({ schema: UndoRequest }) body: z.output<typeof UndoRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    if (!Name.safeParse(key).success)
      throw new ProblemError('config-not-found', `There is no config ${key.slice(0, 80)}. List them: headgate at now`);
    const context = contextOf(request, body, body.reason);
    return this.answer(await this.commands.execute(new UndoRevisionCommand(key, body, body.reason, context)), reply);
  }

  /** Takes the candidate back everywhere. */
  @Post('rollouts/:id/abort')
  @HttpCode(200)
  @Needs('operator')
  @ApiOkResponse({ standardSchema: RolloutView })
  abort(
    @Param('id') id: string,
    @Body({ schema: AbortRequest }) body: z.output<typeof AbortRequest>,
    @Req() request: Caller,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<RolloutView> {
    return this.steer(id, 'abort', body, request, reply);
  }

  private async steer(
    id: string,
    steering: Steering,
    body: {
      readonly reason: string;
      readonly track?: string | undefined;
      readonly stages?: readonly string[] | undefined;
      readonly until?: string | undefined;
    },
    request: Caller,
    reply: FastifyReply,
  ): Promise<RolloutView> {
    if (!ROLLOUT_ID.test(id)) throw rolloutNotFound(id);
    const context = contextOf(request, body, body.reason);
    const outcome = await this.commands.execute(
      new SteerRolloutCommand(
        id,
        steering,
        body.reason,
        {
          track: body.track ?? null,
          stages: body.stages ?? null,
          until: body.until === undefined ? null : Date.parse(body.until),
        },
        context,
      ),
    );
    return this.answer(outcome, reply);
  }

  private async refuseImpossible(request: StartRequest): Promise<void> {
    const { impossible, isBlind } = await this.forecast(request);
    const [first] = impossible;
    if (first === undefined) {
      if (!isBlind) return;
      throw new ProblemError(
        'plan-never-tells',
        'With the traffic of the last ten minutes none of the signals of this plan could ever tell that the change does harm: give the fleets more traffic, use signals that are less rare or an invariant, or say in the plan why that is accepted (acceptBlind).',
        [{ pointer: '/plan', detail: 'see what each stage can see: headgate plan CONFIG --plan PLAN' }],
      );
    }
    throw new ProblemError(
      'stage-never-measures',
      `This plan has a stage that can never be measured. ${first}`,
      impossible.map((detail) => ({ pointer: '/plan', detail })),
    );
  }

  private async forecast(request: StartRequest): Promise<ReturnType<typeof previewOf>> {
    const prepared = prepare(this.view, request);
    if ('rejection' in prepared) throw ProblemError.of(prepared.rejection);
    const traffic = await this.evidence.traffic({ now: this.clock.now(), spanMs: LATELY_MS });
    const isDrawn = prepared.config.assignment === 'instance';
    const live = isDrawn ? await instancesOn(Object.keys(prepared.controls), this.delivery) : {};
    const lately = await this.lately(prepared, traffic, live);
    const forecast = previewOf(prepared, traffic, LATELY_MS, await this.unattended(prepared), live, lately);
    const armless = armlessWarnings(this.view, prepared.plan.signals).map(({ message }) => `${message}.`);
    const delays = delayWarnings(this.view, prepared.plan);
    const warnings = [...forecast.preview.warnings, ...armless, ...delays];
    return { ...forecast, preview: { ...forecast.preview, warnings } };
  }

  /** What rollouts and sources measured of the plan's signals lately. */
  private async lately(
    { plan, config }: Prepared,
    traffic: Traffic,
    live: Readonly<Record<string, readonly string[]>>,
  ): Promise<Lately> {
    const now = this.clock.now();
    const assignment = config.assignment ?? 'unit';
    const rollouts = [...this.view.rollouts.values()].map(({ rollout }) => rollout);
    const counted = plan.signals.filter(({ source }) => source !== null).map(({ signal }) => signal);
    const targets = plan.tracks.flatMap((track) => track.targets.map(({ target }) => target));
    const asked = { signals: counted, targets, fromMs: now - LATELY_MS, untilMs: now };
    const [recordings, observed] = await Promise.all([
      recordedIn(this.evidence, rollouts, plan.signals, assignment, now),
      counted.length === 0 ? [] : this.evidence.before(asked),
    ]);
    const armless = new Set(
      armlessWarnings(this.view, plan.signals).flatMap(({ field }) => {
        const index = Number(field.split('/')[3]);
        return plan.signals[index]?.signal ?? [];
      }),
    );
    return latelyOf({ plan, assignment }, recordings, observed, traffic, armless, live);
  }

  /** Targets of the plan on which no instance is live now. One that cannot be asked is not known to be empty. */
  private async unattended({ controls }: Prepared): Promise<readonly string[]> {
    const live = await Promise.all(
      Object.keys(controls).map(async (target) => {
        const known = this.view.fleet.targets.get(target);
        // Where instances say nothing, that none is heard of says nothing either.
        if (known && !targetCapabilities(known).acknowledgesInstances) return [];
        const observed = await this.delivery.observe(target).catch(() => undefined);
        return observed?.instances.length === 0 ? [target] : [];
      }),
    );
    return live.flat();
  }

  private async answer(outcome: Outcome, reply: FastifyReply): Promise<RolloutView> {
    const { outcome: remembered, lastPosition } = accepted(outcome);
    await this.view.caughtUpWith(lastPosition);
    return this.show(String(remembered['rollout']), reply);
  }

  private async show(id: string, reply: FastifyReply): Promise<RolloutView> {
    const entry = this.view.rollouts.get(id);
    if (!entry) throw rolloutNotFound(id);
    const progress = await this.board.get([id]);
    void reply.header('etag', `"${entry.version}"`);
    const violations = await violationsOf(entry.rollout, this.evidence, this.clock.now());
    return { ...rolloutView(entry, progress.get(id)), violations };
  }
}
