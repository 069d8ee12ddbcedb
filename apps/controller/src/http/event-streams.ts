import type { FastifyReply } from 'fastify';
import { eventView, type LiveView, type ProgressBoard } from '#libs/application';
import type { EventStore, RecordedEvent } from '#libs/kernel';
import type { TokenChecker } from '../composition/token-checker.js';
import type { Caller } from './auth.js';
import { matchesFilter, type EventFilter } from './event-filter.js';

const HEARTBEAT_MS = 15_000;
/** How often new assessments are looked for while somebody wants to hear of them. */
const PROGRESS_MS = 1_000;
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

type Opening = { readonly after: number; readonly filter: EventFilter; readonly progress: boolean };

/** Server-sent events from the log: first what was missed, then what comes, each once and in order. */
export class EventStreams {
  readonly #readers = new Set<Reader>();
  readonly #store: EventStore;
  readonly #view: LiveView;
  readonly #tokens: TokenChecker;
  readonly #board: Pick<ProgressBoard, 'times'>;
  readonly #timers: readonly NodeJS.Timeout[];
  #assessed: ReadonlyMap<string, number> = new Map();
  #looking = false;

  constructor(store: EventStore, view: LiveView, tokens: TokenChecker, board: Pick<ProgressBoard, 'times'>) {
    this.#store = store;
    this.#view = view;
    this.#tokens = tokens;
    this.#board = board;
    this.#timers = [
      setInterval(() => this.#beat(), HEARTBEAT_MS).unref(),
      setInterval(() => void this.#lookForProgress(), PROGRESS_MS).unref(),
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

  /** Assessments are no events, and any controller may make them: one small query serves all readers of this one. */
  async #lookForProgress(): Promise<void> {
    const readers = [...this.#readers].filter(({ progress, live }) => progress && live);
    if (readers.length === 0 || this.#looking) return;
    this.#looking = true;
    try {
      const running = [...this.#view.rollouts.values()].flatMap(({ rollout }) =>
        rollout.endedAt === null ? [rollout.id] : [],
      );
      const times = await this.#board.times(running);
      const rollouts = running.filter((id) => times.get(id) !== this.#assessed.get(id));
      this.#assessed = times;
      if (rollouts.length === 0) return;
      const frame = `event: progress\ndata: ${JSON.stringify({ rollouts })}\n\n`;
      for (const { raw } of readers) raw.write(frame);
    } catch {
      // The database is away for now, of which others tell; the next look finds what this one missed.
    } finally {
      this.#looking = false;
    }
  }

  #beat(): void {
    for (const { raw, secret } of this.#readers) {
      if (this.#tokens.allows(secret, 'viewer')) raw.write(': still here\n\n');
      else raw.end();
    }
  }
}
