import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { atView, eventView, fleetAt, LiveView } from '#libs/application';
import { AtView, EventList, Name } from '#libs/contracts';
import { Clock, EventStore } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { EventFilter, matchesFilter } from './event-filter.js';
import { EventStreams } from './event-streams.js';
import { ProblemError } from './problem.js';
import { wholeNumber } from './whole-number.js';

const Position = wholeNumber(0, Number.MAX_SAFE_INTEGER);

const ListQuery = EventFilter.extend({
  after: Position.optional(),
  /** The `nextCursor` of the page before. */
  cursor: Position.optional(),
  limit: wholeNumber(1, 1_000).default(100),
  order: z.enum(['oldest', 'newest']).default('oldest'),
});
type ListQuery = z.output<typeof ListQuery>;
const StreamQuery = EventFilter.extend({
  after: Position.optional(),
  /** Tells of new assessments, too: which rollouts have something new to read although no event was written. */
  progress: z.literal('true').optional(),
});
const AtQuery = z.object({
  time: z.iso.datetime({ offset: true }).optional(),
  position: Position.optional(),
  target: Name.optional(),
  platform: Name.optional(),
});

const PAGE = 1_000;
/** A filter that finds little reads no more than this per page; the cursor goes on from there. */
const MOST_READ = 50_000;

@ApiTags('history')
@ApiBearerAuth()
@Controller('v1')
@Needs('viewer')
export class EventsController {
  constructor(
    private readonly store: EventStore,
    private readonly view: LiveView,
    private readonly streams: EventStreams,
    private readonly clock: Clock,
  ) {}

  /** The log, oldest first or newest first. */
  @Get('events')
  @ApiOkResponse({ standardSchema: EventList })
  list(@Query({ schema: ListQuery }) query: ListQuery): Promise<z.output<typeof EventList>> {
    return query.order === 'newest' ? this.newestFirst(query) : this.oldestFirst(query);
  }

  private async oldestFirst(query: ListQuery): Promise<z.output<typeof EventList>> {
    const items: ReturnType<typeof eventView>[] = [];
    let after = query.cursor ?? query.after ?? 0;
    for (let read = 0; read < MOST_READ; read += PAGE) {
      const page = await this.store.readAll({ after, limit: PAGE });
      for (const event of page) {
        after = event.position;
        if (matchesFilter(event, query, this.view)) items.push(eventView(event));
        if (items.length === query.limit) return { items, nextCursor: String(after) };
      }
      if (page.length < PAGE) return { items, nextCursor: null };
    }
    return { items, nextCursor: String(after) };
  }

  /** Backwards from the end, or from the cursor; not beyond `after`. */
  private async newestFirst(query: ListQuery): Promise<z.output<typeof EventList>> {
    const items: ReturnType<typeof eventView>[] = [];
    const end = query.after ?? 0;
    let before = query.cursor ?? (await this.store.head()) + 1;
    for (let read = 0; read < MOST_READ && before - 1 > end; read += PAGE) {
      const after = Math.max(end, before - 1 - PAGE);
      const page = await this.store.readAll({ after, limit: before - 1 - after });
      for (const event of page.toReversed()) {
        before = event.position;
        if (matchesFilter(event, query, this.view)) items.push(eventView(event));
        if (items.length === query.limit) return { items, nextCursor: before - 1 > end ? String(before) : null };
      }
      before = after + 1;
    }
    return { items, nextCursor: before - 1 > end ? String(before) : null };
  }

  /** The log as it grows. Ids are positions: `Last-Event-ID` resumes exactly. Without one, from now on. */
  @Get('events/stream')
  @ApiOkResponse({ description: 'text/event-stream of EventView' })
  async stream(
    @Query({ schema: StreamQuery }) query: z.output<typeof StreamQuery>,
    @Headers('last-event-id') lastEventId: string | undefined,
    @Req() request: Caller,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const resumed = Position.safeParse(lastEventId);
    if (lastEventId !== undefined && !resumed.success) {
      throw new ProblemError('invalid-request', 'Last-Event-ID must be the id of an event of this stream.', [
        { pointer: '/headers/last-event-id', detail: 'a position' },
      ]);
    }
    const after = resumed.data ?? query.after ?? this.view.position;
    if (after > this.view.position)
      await this.refuseBeyondHead(after, resumed.data === undefined ? '/after' : '/headers/last-event-id');
    this.streams.open(request, reply, { after, filter: query, progress: query.progress !== undefined });
  }

  /** What each target was desired to serve at a moment. */
  @Get('at')
  @ApiOkResponse({ standardSchema: AtView })
  async at(@Query({ schema: AtQuery }) query: z.output<typeof AtQuery>): Promise<AtView> {
    if (query.target !== undefined && !this.view.fleet.targets.has(query.target)) {
      throw new ProblemError('target-not-found', `There is no target ${query.target}. Apply its manifest first.`, [
        { pointer: '/target', detail: 'not registered' },
      ]);
    }
    if (query.position !== undefined && query.time !== undefined) {
      throw new ProblemError('invalid-request', 'A moment is a time or a position: leave one of them out.', [
        { pointer: '/time', detail: 'given beside a position' },
      ]);
    }
    if (query.position !== undefined) {
      if (query.position > this.view.position) await this.refuseBeyondHead(query.position, '/position');
      const at = await this.recordedAt(query.position);
      return atView(await fleetAt(this.store, { position: query.position }), at, query);
    }
    const time = query.time === undefined ? this.clock.now() : Date.parse(query.time);
    if (time > this.clock.now()) {
      throw new ProblemError('invalid-request', 'The time lies in the future: nobody knows what is live then.', [
        { pointer: '/time', detail: 'in the future' },
      ]);
    }
    return atView(await fleetAt(this.store, { time }), new Date(time).toISOString(), query);
  }

  /** Null before the first event: nothing had happened, so there is no time to name. */
  private async recordedAt(position: number): Promise<string | null> {
    const [event] = position === 0 ? [] : await this.store.readAll({ after: position - 1, limit: 1 });
    return event?.recordedAt ?? null;
  }

  private async refuseBeyondHead(position: number, pointer: string): Promise<void> {
    const head = await this.store.head();
    if (position <= head) return;
    throw new ProblemError(
      'invalid-request',
      `Position ${position} is not in the log, which ends at ${head}: it may come from another database.`,
      [{ pointer, detail: `at most ${head}` }],
    );
  }
}
