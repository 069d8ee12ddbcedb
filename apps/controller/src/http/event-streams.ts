import type { FastifyReply } from 'fastify';
import { eventView, type LiveView } from '#libs/application';
import type { EventStore, RecordedEvent } from '#libs/kernel';
import type { TokenChecker } from '../composition/token-checker.js';
import type { Caller } from './auth.js';
import { matchesFilter, type EventFilter } from './event-filter.js';

const HEARTBEAT_MS = 15_000;
const PAGE = 1_000;
/** A reader that is this far behind is cut off; it resumes where it was. */
const MOST_BUFFERED = 4 * 1024 * 1024;

type Reader = {
  readonly filter: EventFilter;
  readonly raw: FastifyReply['raw'];
  readonly secret: string;
  after: number;
  live: boolean;
};

/** Server-sent events from the log: first what was missed, then what comes, each once and in order. */
export class EventStreams {
  readonly #readers = new Set<Reader>();
  readonly #store: EventStore;
  readonly #view: LiveView;
  readonly #tokens: TokenChecker;
  readonly #timer: NodeJS.Timeout;

  constructor(store: EventStore, view: LiveView, tokens: TokenChecker) {
    this.#store = store;
    this.#view = view;
    this.#tokens = tokens;
    this.#timer = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#timer.unref();
    view.onEvent((event) => this.#publish(event));
  }

  open(request: Caller, reply: FastifyReply, after: number, filter: EventFilter): void {
    const { raw } = reply.hijack();
    raw.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    raw.write('retry: 1000\n\n');
    const secret = (request.headers.authorization ?? '').replace(/^Bearer /, '');
    const reader: Reader = { filter, raw, secret, after, live: false };
    this.#readers.add(reader);
    raw.on('close', () => this.#readers.delete(reader));
    this.#catchUp(reader).catch(() => raw.destroy());
  }

  close(): void {
    clearInterval(this.#timer);
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

  #beat(): void {
    for (const { raw, secret } of this.#readers) {
      if (this.#tokens.allows(secret, 'viewer')) raw.write(': still here\n\n');
      else raw.end();
    }
  }
}
