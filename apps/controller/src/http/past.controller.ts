import { Controller, Get, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import { atView, LiveView, openChanges, Past, PastKeeper, WITHOUT_END, type AtAsked } from '#libs/application';
import { AtView, Name, OpenChanges } from '#libs/contracts';
import { Clock, EventStore } from '#libs/kernel';
import { Needs } from './auth.js';
import { pastTime, refuseBeyondHead } from './moments.js';
import { ProblemError } from './problem.js';
import { wholeNumber } from './whole-number.js';

const Time = z.iso.datetime({ offset: true });

const AtQuery = z.strictObject({
  time: Time.optional(),
  position: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
  /** Only what was recorded up to this time counts. Default: all that is known now. */
  asKnownAt: Time.optional(),
  target: Name.optional(),
  platform: Name.optional(),
  config: Name.optional(),
  /** Each instance by itself as well. */
  instances: z.literal('true').optional(),
});
type AtQuery = z.output<typeof AtQuery>;

type Slice = { readonly [part in 'target' | 'platform' | 'config']?: string | undefined };

const HOUR_MS = 3_600_000;
const MOST_LOOK_BACK_HOURS = 24 * 366;

const OpenQuery = z.strictObject({
  /** Default: now. */
  at: Time.optional(),
  target: Name.optional(),
  platform: Name.optional(),
  config: Name.optional(),
  /** Rollouts that ended so many hours before are listed too. */
  lookBackHours: wholeNumber(0, MOST_LOOK_BACK_HOURS).default(72),
});

@ApiTags('history')
@ApiBearerAuth()
@Controller('v1')
@Needs('viewer')
export class PastController {
  constructor(
    private readonly store: EventStore,
    private readonly view: LiveView,
    private readonly past: Past,
    private readonly keeper: PastKeeper,
    private readonly clock: Clock,
  ) {}

  /** What each target was desired to serve at a moment, and what is known of its arrival there. */
  @Get('at')
  @ApiOkResponse({ standardSchema: AtView })
  async at(@Query({ schema: AtQuery }) query: AtQuery): Promise<AtView> {
    this.refuseUnknown(query);
    const asked = await this.moment(query);
    await this.keeper.reached(this.view.position);
    const { target, platform, config } = query;
    return atView(this.past, this.view, {
      ...asked,
      target,
      platform,
      config,
      instances: query.instances !== undefined,
    });
  }

  /** What was in flight, watched, or had lately ended on a slice at a moment; newest first. */
  @Get('changes/open')
  @ApiOkResponse({ standardSchema: OpenChanges })
  async open(@Query({ schema: OpenQuery }) query: z.output<typeof OpenQuery>): Promise<OpenChanges> {
    this.refuseUnknown(query);
    const now = this.clock.now();
    const at = query.at === undefined ? now : pastTime(query.at, now, '/at');
    await this.keeper.reached(this.view.position);
    return openChanges(this.past, this.view, { ...query, at, lookBackMs: query.lookBackHours * HOUR_MS });
  }

  private refuseUnknown({ target, platform, config }: Slice): void {
    const { targets, configs } = this.view.fleet;
    if (target !== undefined && !targets.has(target))
      throw ProblemError.of({
        code: 'target-not-found',
        message: `There is no target ${target}. Apply its manifest first.`,
        field: '/target',
      });
    if (config !== undefined && !configs.has(config))
      throw ProblemError.of({
        code: 'config-not-found',
        message: `There is no config ${config}. Apply it first, or leave it out.`,
        field: '/config',
      });
    const platforms = [...new Set([...targets.values()].map((each) => each.platform))].toSorted();
    if (platform !== undefined && platforms.length > 0 && !platforms.some((each) => each === platform))
      throw ProblemError.of({
        code: 'invalid-request',
        message: `No target is on the platform ${platform}. There are: ${platforms.join(', ')}.`,
        field: '/platform',
      });
  }

  private async moment({ time, position, asKnownAt }: AtQuery): Promise<Pick<AtAsked, 'when' | 'at' | 'knownAt'>> {
    if (position !== undefined && time !== undefined) {
      throw new ProblemError('invalid-request', 'A moment is a time or a position: leave one of them out.', [
        { pointer: '/time', detail: 'given beside a position' },
      ]);
    }
    const now = this.clock.now();
    const known = asKnownAt === undefined ? WITHOUT_END : pastTime(asKnownAt, now, '/asKnownAt');
    const knownAt = asKnownAt === undefined ? null : new Date(known).toISOString();
    if (position !== undefined) {
      if (position > this.view.position) await refuseBeyondHead(this.store, position, '/position');
      return { when: { at: WITHOUT_END, known, position }, at: await this.recordedAt(position), knownAt };
    }
    const at = time === undefined ? now : pastTime(time, now, '/time');
    return { when: { at, known, position: WITHOUT_END }, at: new Date(at).toISOString(), knownAt };
  }

  /** Null before the first event: nothing had happened, so there is no time to name. */
  private async recordedAt(position: number): Promise<string | null> {
    const [event] = await this.store.readPositions([position]);
    return event?.recordedAt ?? null;
  }
}
