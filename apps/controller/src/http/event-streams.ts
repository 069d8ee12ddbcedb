import type { FastifyReply } from 'fastify';
import { eventView, type LiveView, type ProgressBoard } from '#libs/application';
import type { EventStore, RecordedEvent } from '#libs/kernel';
import type { TokenChecker } from '../composition/token-checker.js';
import type { Caller } from './auth.js';
import { matchesFilter, type EventFilter } from './event-filter.js';
import type { HookBoard } from './hook-board.js';

const HEARTBEAT_MS = 15_000;
/** How often what is no event is looked for while somebody wants to hear of it. */
const LOOK_MS = 1_000;
const PAGE = 1_000;
/** A reader that is this far behind is cut off; it resumes where it was. */
const MOST_BUFFERED = 4 * 1024 * 1024;

type Reader = {
  readonly filter: EventFilter;
  readonly raw: FastifyReply['raw'];
  readonly secret: string;
  readonly progress: boolean;
  after: number;
  live: boolean;
};

/** What changes without an event, and may be made by any controller: one small query serves all readers of this one. */
type Unlogged = {
  readonly event: 'progress' | 'deliveries';
  readonly names: 'rollouts' | 'hooks';
  readonly mayRead: (reader: Reader) => boolean;
  /** What each of them is like now. */
  readonly read: () => Promise<ReadonlyMap<string, unknown>>;
  seen: ReadonlyMap<string, unknown>;
  isLooking: boolean;
};

type Opening = { readonly after: number; readonly filter: EventFilter; readonly progress: boolean };

/** Server-sent events from the log: first what was missed, then what comes, each once and in order. */
export class EventStreams {
  readonly #readers = new Set<Reader>();
  readonly #store: EventStore;
  readonly #view: LiveView;
  readonly #tokens: TokenChecker;
  readonly #timers: readonly NodeJS.Timeout[];

  constructor(
    store: EventStore,
    view: LiveView,
    tokens: TokenChecker,
    boards: { readonly progress: Pick<ProgressBoard, 'times'>; readonly hooks: Pick<HookBoard, 'list'> },
  ) {
    this.#store = store;
    this.#view = view;
    this.#tokens = tokens;
    const unlogged = [this.#assessments(boards.progress), this.#deliveries(boards.hooks)];
    this.#timers = [
      setInterval(() => this.#beat(), HEARTBEAT_MS).unref(),
      setInterval(() => {
        for (const each of unlogged) void this.#lookFor(each);
      }, LOOK_MS).unref(),
    ];
    view.onEvent((event) => this.#publish(event));
  }

  open(request: Caller, reply: FastifyReply, { after, filter, progress }: Opening): void {
    const { raw } = reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    raw.write('retry: 1000\n\n');
    const secret = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    const reader: Reader = { filter, raw, secret, progress, after, live: false };
    this.#readers.add(reader);
    raw.on('close', () => this.#readers.delete(reader));
    this.#catchUp(reader).catch(() => raw.destroy());
  }

  close(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const { raw } of this.#readers) raw.end();
    this.#readers.clear();
  }

  async #catchUp(reader: Reader): Promise<void> {
    while (this.#readers.has(reader) && reader.after < this.#view.position) {
      const page = await this.#store.readAll({ after: reader.after, limit: PAGE });
      for (const event of page) this.#send(reader, event, undefined);
      if (page.length === 0) break;
      await this.#drained(reader);
    }
    reader.live = true;
  }

  async #drained(reader: Reader): Promise<void> {
    if (!reader.raw.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      reader.raw.once('drain', resolve);
      reader.raw.once('close', resolve);
    });
  }

  #publish(event: RecordedEvent): void {
    let frame: string | undefined;
    for (const reader of this.#readers) {
      if (!reader.live) continue;
      frame = this.#send(reader, event, frame);
      if (reader.raw.writableLength > MOST_BUFFERED) reader.raw.destroy();
    }
  }

  /** Sends one event if the reader wants it and has not had it; gives the frame for the next reader. */
  #send(reader: Reader, event: RecordedEvent, made: string | undefined): string | undefined {
    if (event.position <= reader.after) return made;
    reader.after = event.position;
    if (!matchesFilter(event, reader.filter, this.#view)) return made;
    const frame = made ?? `id: ${event.position}\nevent: event\ndata: ${JSON.stringify(eventView(event))}\n\n`;
    reader.raw.write(frame);
    return frame;
  }

  #assessments(board: Pick<ProgressBoard, 'times'>): Unlogged {
    const running = (): readonly string[] =>
      [...this.#view.rollouts.values()].flatMap(({ rollout }) => (rollout.endedAt === null ? [rollout.id] : []));
    return {
      event: 'progress',
      names: 'rollouts',
      mayRead: () => true,
      read: () => board.times(running()),
      seen: new Map(),
      isLooking: false,
    };
  }

  #deliveries(board: Pick<HookBoard, 'list'>): Unlogged {
    return {
      event: 'deliveries',
      names: 'hooks',
      mayRead: ({ secret }) => this.#view.hooks.size > 0 && this.#tokens.allows(secret, 'admin'),
      read: async () => new Map((await board.list()).map((hook) => [hook.id, JSON.stringify(hook)])),
      seen: new Map(),
      isLooking: false,
    };
  }

  async #lookFor(unlogged: Unlogged): Promise<void> {
    const { event, names, mayRead, read, seen } = unlogged;
    const readers = [...this.#readers].filter((reader) => reader.progress && reader.live && mayRead(reader));
    if (readers.length === 0 || unlogged.isLooking) return;
    unlogged.isLooking = true;
    try {
      const now = await read();
      unlogged.seen = now;
      const changed = [...now.keys()].filter((id) => now.get(id) !== seen.get(id));
      if (changed.length === 0) return;
      const frame = `event: ${event}\ndata: ${JSON.stringify({ [names]: changed })}\n\n`;
      for (const { raw } of readers) raw.write(frame);
    } catch {
      // The database is away for now, of which others tell; the next look finds what this one missed.
    } finally {
      unlogged.isLooking = false;
    }
  }

  #beat(): void {
    for (const { raw, secret } of this.#readers) {
      if (this.#tokens.allows(secret, 'viewer')) raw.write(': still here\n\n');
      else raw.end();
    }
  }
}
