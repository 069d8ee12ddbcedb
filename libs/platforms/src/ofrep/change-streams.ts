import type { RulesetFeed, RulesetSnapshot } from '../feed.js';
import type { StreamPass } from './stream-passes.js';

/** The side of an HTTP response that a stream is written to. */
export type StreamSink = {
  write(bytes: Buffer | string): boolean;
  end(): unknown;
  once(event: 'drain' | 'close', listener: () => void): unknown;
};

export type ChangeStreamsOptions = {
  readonly feed: RulesetFeed;
  readonly now: () => number;
  /** Whether the token that a pass was given to may still read rulesets. */
  readonly mayRead: (holder: string) => boolean;
  /** Streams at once. Default 10,000. */
  readonly most?: number;
  /** How often streams are told that they are alive, and passes are looked at again, in ms. Default 15 s. */
  readonly beatMs?: number;
};

type Reader = { readonly pass: StreamPass; readonly sink: StreamSink; sent: number; waits: boolean };

type Frame = { readonly generation: number; readonly bytes: Buffer };

const BEAT = Buffer.from(': still here\n\n');

/** The notification of OFREP 0.3.0: that something changed, not what. Its id is the generation. */
const frameOf = ({ generation, appliedAt }: RulesetSnapshot): Frame => {
  const data = { type: 'refetchEvaluation', etag: `"${generation}"`, lastModified: Math.floor(appliedAt / 1_000) };
  return {
    generation,
    bytes: Buffer.from(`id: ${generation}\nevent: message\ndata: ${JSON.stringify(data)}\n\n`),
  };
};

/**
 * Tells OFREP clients that the ruleset of their target has changed. All streams of a target share one frame, made once
 * for each generation; a stream that has not taken the last one gets only the newest when it has. Nothing is read from
 * the database for a stream.
 */
export class ChangeStreams {
  readonly #readers = new Map<string, Set<Reader>>();
  readonly #frames = new Map<string, Frame>();
  readonly #unsubscribe: () => void;
  readonly #timer: NodeJS.Timeout;
  #size = 0;

  constructor(private readonly options: ChangeStreamsOptions) {
    this.#unsubscribe = options.feed.onChange((snapshot) => this.#publish(snapshot));
    this.#timer = setInterval(() => this.#beat(), options.beatMs ?? 15_000).unref();
  }

  /** Open streams. */
  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size >= (this.options.most ?? 10_000);
  }

  /**
   * Adds a stream that has everything up to `lastEventId`, or up to what its pass was given out with: one event at once
   * if there is something newer, then one for each change until the pass ends.
   */
  add(pass: StreamPass, lastEventId: number | undefined, sink: StreamSink): void {
    const reader: Reader = { pass, sink, sent: lastEventId ?? pass.since, waits: false };
    const readers = this.#readers.get(pass.target) ?? new Set<Reader>();
    this.#readers.set(pass.target, readers.add(reader));
    this.#size += 1;
    sink.once('close', () => this.#drop(reader));
    const snapshot = this.options.feed.current(pass.target);
    if (snapshot !== undefined) this.#send(reader, this.#frame(snapshot));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
    for (const reader of this.#all()) reader.sink.end();
  }

  #all(): readonly Reader[] {
    return [...this.#readers.values()].flatMap((readers) => [...readers]);
  }

  #drop(reader: Reader): void {
    const readers = this.#readers.get(reader.pass.target);
    if (!readers?.delete(reader)) return;
    this.#size -= 1;
    if (readers.size > 0) return;
    this.#readers.delete(reader.pass.target);
    this.#frames.delete(reader.pass.target);
  }

  #frame(snapshot: RulesetSnapshot): Frame {
    const known = this.#frames.get(snapshot.target);
    if (known?.generation === snapshot.generation) return known;
    const frame = frameOf(snapshot);
    this.#frames.set(snapshot.target, frame);
    return frame;
  }

  #publish(snapshot: RulesetSnapshot): void {
    const readers = this.#readers.get(snapshot.target);
    if (readers === undefined) return;
    const frame = this.#frame(snapshot);
    for (const reader of readers) this.#send(reader, frame);
  }

  #send(reader: Reader, { generation, bytes }: Frame): void {
    if (reader.waits || reader.sent >= generation) return;
    reader.sent = generation;
    if (reader.sink.write(bytes)) return;
    reader.waits = true;
    reader.sink.once('drain', () => {
      reader.waits = false;
      const newest = this.#frames.get(reader.pass.target);
      if (newest !== undefined) this.#send(reader, newest);
    });
  }

  /** A stream outlives its check: it ends with its pass, and with the token that the pass was given to. */
  #beat(): void {
    const now = this.options.now();
    const allowed = new Map<string, boolean>();
    for (const reader of this.#all()) {
      const { holder, until } = reader.pass;
      if (!allowed.has(holder)) allowed.set(holder, this.options.mayRead(holder));
      if (until <= now || allowed.get(holder) !== true) reader.sink.end();
      else if (!reader.waits) reader.sink.write(BEAT);
    }
  }
}
