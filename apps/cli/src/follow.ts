import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { EventView } from '#libs/contracts';
import { ProblemError, ReplyError, rootCause } from './client-errors.js';
import type { EventFilter, HeadgateClient } from './client.js';

/** What happens to the connection, for lines on stderr. */
export type ConnectionNotice =
  | { readonly kind: 'lost'; readonly why: string; readonly after: number }
  | { readonly kind: 'back'; readonly after: number };

export interface FollowOptions {
  /** Position after which to begin; 0 is the first event. */
  readonly after: number;
  readonly signal: AbortSignal;
  readonly onNotice?: (notice: ConnectionNotice) => void;
  /** First pause before connecting again, in ms (default 250); it doubles up to 10 s. */
  readonly pauseMs?: number;
  /** A connection without a byte for so long counts as dead, in ms (default 60,000). */
  readonly silentMs?: number;
}

const LONGEST_PAUSE_MS = 10_000;
/** A connection that held so long was a good one: the next pause is short again. */
const STEADY_MS = 5_000;

const parseEvent = (data: string, client: HeadgateClient): EventView => {
  let json: unknown;
  try {
    json = JSON.parse(data);
  } catch {
    throw new ReplyError(client.url, 'GET /v1/events/stream', 'an event is not JSON');
  }
  const parsed = EventView.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new ReplyError(client.url, 'GET /v1/events/stream', `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`);
};

/** The events of one connection, until it ends. */
async function* readConnection(
  client: HeadgateClient,
  stream: ReadableStream<Uint8Array>,
  onByte: () => void,
): AsyncGenerator<EventView> {
  const ready: EventView[] = [];
  const parser = createParser({
    onEvent: (message) => {
      if (message.event === 'event') ready.push(parseEvent(message.data, client));
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of stream) {
    onByte();
    parser.feed(decoder.decode(bytes, { stream: true }));
    yield* ready.splice(0);
  }
}

/** Refusals that a later try will not change. */
const isFinal = (error: unknown): boolean =>
  error instanceof ReplyError ||
  (error instanceof ProblemError && error.problem.status < 500 && error.problem.status !== 429);

/** One connection with a watchdog for silence. */
async function* connectOnce(client: HeadgateClient, filter: EventFilter, after: number, options: FollowOptions) {
  const dead = new AbortController();
  const silence = () =>
    setTimeout(() => dead.abort(new Error('the connection went silent')), options.silentMs ?? 60_000);
  let timer = silence();
  try {
    const stream = await client.openEventStream(filter, after, AbortSignal.any([options.signal, dead.signal]));
    yield undefined;
    yield* readConnection(client, stream, () => {
      clearTimeout(timer);
      timer = silence();
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Waits before connecting again, longer with every failure. */
const pauseBefore = async (failures: number, options: FollowOptions): Promise<void> => {
  const pause = Math.min((options.pauseMs ?? 250) * 2 ** (failures - 1), LONGEST_PAUSE_MS) * (0.75 + Math.random() / 2);
  await sleep(pause, undefined, { signal: options.signal }).catch((error: unknown) => {
    if (!options.signal.aborted) throw error;
  });
};

/**
 * Follows events across lost connections: each event once, in order, none left out, because every connection begins after
 * the last position seen. Ends when `signal` is aborted. Throws what a later try would not change, such as a 401.
 */
export async function* follow(
  client: HeadgateClient,
  filter: EventFilter,
  options: FollowOptions,
): AsyncGenerator<EventView> {
  let seen = options.after;
  let failures = 0;
  let announced = false;
  while (!options.signal.aborted) {
    let why = 'the controller ended the connection';
    const begun = performance.now();
    try {
      for await (const event of connectOnce(client, filter, seen, options)) {
        if (announced) options.onNotice?.({ kind: 'back', after: seen });
        announced = false;
        if (!event || event.position <= seen) continue;
        failures = 0;
        seen = event.position;
        yield event;
      }
    } catch (error) {
      if (options.signal.aborted) return;
      if (isFinal(error)) throw error;
      why = rootCause(error);
    }
    failures = performance.now() - begun > STEADY_MS ? 1 : failures + 1;
    // A single break that mends at once is not worth a line.
    if (failures >= 2 && !announced && !options.signal.aborted) {
      announced = true;
      options.onNotice?.({ kind: 'lost', why, after: seen });
    }
    await pauseBefore(failures, options);
  }
}
