import { Readable } from 'node:stream';
import { Controller, Get, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiOkResponse, ApiProduces, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { csvHead, csvLine, eventView, hookEvent, LiveView } from '#libs/application';
import { ConsistencyProof, InclusionProof, LogHead, LogKeys } from '#libs/contracts';
import { EventStore, LogTree, type TreeHeadView } from '#libs/kernel';
import { Needs, type Caller } from './auth.js';
import { ProblemError } from './problem.js';
import { wholeNumber } from './whole-number.js';

const MOST = Number.MAX_SAFE_INTEGER;
const InclusionQuery = z.strictObject({ position: wholeNumber(1, MOST), size: wholeNumber(1, MOST).optional() });
const ConsistencyQuery = z.strictObject({ first: wholeNumber(0, MOST), second: wholeNumber(0, MOST).optional() });
const Format = z.enum(['ndjson', 'csv', 'cloudevents']);
type Format = z.output<typeof Format>;
const ExportQuery = z.strictObject({ after: wholeNumber(0, MOST).default(0), format: Format.default('ndjson') });

const TYPES: Readonly<Record<Format, string>> = {
  ndjson: 'application/x-ndjson; charset=utf-8',
  csv: 'text/csv; charset=utf-8; header=present',
  cloudevents: 'application/x-ndjson; charset=utf-8',
};

const PAGE = 1_000;

/** An event as it is exported, with the end of its line. */
type Line = { readonly position: number; readonly line: string };

@ApiTags('history')
@ApiBearerAuth()
@Controller('v1/log')
@Needs('viewer')
export class LogController {
  constructor(
    private readonly tree: LogTree,
    private readonly store: EventStore,
    private readonly view: LiveView,
  ) {}

  /** The newest signed head; as the signed note itself for `Accept: text/plain`. */
  @Get('head')
  @ApiOkResponse({ standardSchema: LogHead })
  async head(@Req() request: Caller, @Res() reply: FastifyReply): Promise<void> {
    const head = await this.sealedHead();
    if (request.headers.accept?.startsWith('text/plain') === true) {
      void reply.type('text/plain; charset=utf-8').send(head.checkpoint);
      return;
    }
    const position = await this.store.head();
    const { state, message = null } = this.tree.sealing();
    const unsealedFrom = position > head.size ? head.size + 1 : null;
    void reply.send({ ...head, position, unsealedFrom, sealing: { state, message } } satisfies LogHead);
  }

  /** The public keys of the log. */
  @Get('keys')
  @ApiOkResponse({ standardSchema: LogKeys })
  async keys(): Promise<LogKeys> {
    return { items: [...(await this.tree.keys())] };
  }

  /** The proof that an event is in the log. */
  @Get('inclusion')
  @ApiOkResponse({ standardSchema: InclusionProof })
  async inclusion(@Query({ schema: InclusionQuery }) query: z.output<typeof InclusionQuery>): Promise<InclusionProof> {
    const { position } = query;
    const head = await this.sealedHead();
    const size = query.size ?? head.size;
    refuseBeyond(size, head, '/size');
    if (position > size) {
      const detail = `Position ${position} is not among the first ${size} events: ask for a larger size, or wait until it is sealed.`;
      throw new ProblemError('invalid-request', detail, [{ pointer: '/position', detail: `at most ${size}` }]);
    }
    const { leaf, proof } = await this.tree.inclusion(position, size);
    return { position, size, leaf, proof: [...proof] };
  }

  /** The proof that the log of the second size continues that of the first. */
  @Get('consistency')
  @ApiOkResponse({ standardSchema: ConsistencyProof })
  async consistency(
    @Query({ schema: ConsistencyQuery }) query: z.output<typeof ConsistencyQuery>,
  ): Promise<ConsistencyProof> {
    const { first } = query;
    const head = await this.sealedHead();
    const second = query.second ?? head.size;
    refuseBeyond(second, head, '/second');
    if (first > second) {
      const detail = `The first size, ${first}, is larger than the second, ${second}: a log only grows.`;
      throw new ProblemError('invalid-request', detail, [{ pointer: '/first', detail: `at most ${second}` }]);
    }
    return { first, second, proof: [...(await this.tree.consistency(first, second))] };
  }

  /**
   * All events after a position, one a line: their exact bytes, as CSV (the names of the columns stand before the first
   * event of the log), or as CloudEvents. Ends with what was last when it began.
   */
  @Get('export')
  @ApiProduces('application/x-ndjson', 'text/csv')
  @ApiOkResponse({ description: 'Events, each followed by a line feed', type: String })
  async export(
    @Query({ schema: ExportQuery }) { after, format }: z.output<typeof ExportQuery>,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const last = Math.max(await this.store.head(), this.view.position);
    if (after > last) {
      const detail = `Position ${after} is not in the log, which ends at ${last}: it may come from another database.`;
      throw new ProblemError('invalid-request', detail, [{ pointer: '/after', detail: `at most ${last}` }]);
    }
    void reply
      .type(TYPES[format])
      .header('cache-control', 'no-store')
      .send(Readable.from(this.lines(after, last, format), { objectMode: false }));
  }

  private async *lines(from: number, to: number, format: Format): AsyncGenerator<string> {
    if (format === 'csv' && from === 0) yield csvHead;
    for (let after = from; after < to;) {
      const page = await this.page(after, Math.min(PAGE, to - after), format);
      const last = page.at(-1);
      if (last === undefined) return;
      yield page.map(({ line }) => line).join('');
      after = last.position;
    }
  }

  private async page(after: number, limit: number, format: Format): Promise<readonly Line[]> {
    if (format === 'ndjson')
      return (await this.tree.bodies(after, limit)).map(({ position, body }) => ({ position, line: `${body}\n` }));
    const events = await this.store.readAll({ after, limit });
    return events.map((event) => ({
      position: event.position,
      line: format === 'csv' ? csvLine(eventView(event)) : `${JSON.stringify(hookEvent(event, this.view))}\n`,
    }));
  }

  private async sealedHead(): Promise<TreeHeadView> {
    const head = await this.tree.head();
    if (head !== undefined) return head;
    const { message = 'it is sealed within seconds of its first event, by a controller of the role worker or all' } =
      this.tree.sealing();
    throw new ProblemError('tree-head-not-found', `The log has no signed head yet: ${message}`);
  }
}

const refuseBeyond = (size: number, head: TreeHeadView, pointer: string): void => {
  if (size <= head.size) return;
  throw new ProblemError(
    'invalid-request',
    `The newest signed head covers ${head.size} events, not ${size}: proofs are made of what is sealed.`,
    [{ pointer, detail: `at most ${head.size}` }],
  );
};
