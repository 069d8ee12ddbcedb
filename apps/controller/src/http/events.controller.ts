import { Controller, Get, Headers, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { LiveView } from '#libs/application';
import { EventList } from '#libs/contracts';
import { EventStore } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { EventFilter } from './event-filter.js';
import { EventStreams } from './event-streams.js';
import { HistoryReader } from './history-reader.js';
import { refuseBeyondHead } from './moments.js';
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
const StreamQuery = EventFilter.extend({
  after: Position.optional(),
  /**
   * Tells of what is no event, too: which rollouts were assessed anew and, to admins, which hooks were delivered to or
   * could not be.
   */
  progress: z.literal('true').optional(),
});
@ApiTags('history')
@ApiBearerAuth()
@Controller('v1')
@Needs('viewer')
export class EventsController {
  constructor(
    private readonly store: EventStore,
    private readonly view: LiveView,
    private readonly streams: EventStreams,
    private readonly history: HistoryReader,
  ) {}

  /** The log, oldest first or newest first. */
  @Get('events')
  @ApiOkResponse({ standardSchema: EventList })
  list(@Query({ schema: ListQuery }) query: z.output<typeof ListQuery>): Promise<z.output<typeof EventList>> {
    return this.history.page(query);
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
      await refuseBeyondHead(this.store, after, resumed.data === undefined ? '/after' : '/headers/last-event-id');
    this.streams.open(request, reply, { after, filter: query, progress: query.progress !== undefined });
  }
}
