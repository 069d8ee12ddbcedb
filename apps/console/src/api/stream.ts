import { createParser } from 'eventsource-parser';
import type { EventView } from '#libs/contracts';
import type { Api } from './client.js';
import { isFinal, wordsOf } from './problem.js';

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** Since when nothing comes, and when it is tried again; both in epoch ms. */
  | { readonly state: 'lost'; readonly why: string; readonly since: number; readonly retryAt: number };

export type StreamListener = {
  readonly onConnection: (connection: Connection) => void;
  readonly onEvent: (event: EventView) => void;
  /** Rollouts that were assessed anew, which is no event. */
  readonly onProgress: (rollouts: readonly string[]) => void;
  /** Hooks that were delivered to, or could not be, which is no event either. */
  readonly onDeliveries: (hooks: readonly string[]) => void;
  /** What came before cannot be told from here on: everything is to be read again. */
  readonly onGap: () => void;
};

export type StreamTimes = { readonly silentMs: number; readonly firstPauseMs: number; readonly longestPauseMs: number };

/** The controller says that it is still there every 15 s. */
const TIMES: StreamTimes = { silentMs: 40_000, firstPauseMs: 500, longestPauseMs: 8_000 };

type Frame = { readonly event?: string | undefined; readonly data: string };

const takeFrame = ({ event, data }: Frame, seen: number | undefined, listener: StreamListener): number | undefined => {
  if (event === 'progress') {
    listener.onProgress((JSON.parse(data) as { rollouts: string[] }).rollouts);
    return seen;
  }
  if (event === 'deliveries') {
    listener.onDeliveries((JSON.parse(data) as { hooks: string[] }).hooks);
    return seen;
  }
  if (event !== 'event') return seen;
  const view = JSON.parse(data) as EventView;
  // What was seen before the connection broke is not told twice.
  if (seen !== undefined && view.position <= seen) return seen;
  listener.onEvent(view);
  return view.position;
};

/**
 * The one connection by which the console hears of what happens. It comes back by itself after the last event it has seen,
 * so that none is left out and none comes twice. Ends when `signal` is aborted, or when it is refused for good.
 */
export const followEvents = async (
  api: Pick<Api, 'stream'>,
  listener: StreamListener,
  signal: AbortSignal,
  times: StreamTimes = TIMES,
): Promise<void> => {
  let seen: number | undefined;
  let pauseMs = times.firstPauseMs;
  let lostSince: number | undefined;
  listener.onConnection({ state: 'connecting' });
  while (!signal.aborted) {
    let why = 'The controller ended the connection.';
    const dead = new AbortController();
    let timer = setTimeout(() => dead.abort(), times.silentMs);
    try {
      const body = await api.stream(seen, AbortSignal.any([signal, dead.signal]));
      listener.onConnection({ state: 'live' });
      // Without a position to go on from, what happened before the stream was open is in no frame of it.
      if (seen === undefined) listener.onGap();
      lostSince = undefined;
      pauseMs = times.firstPauseMs;
      const parser = createParser({ onEvent: (frame) => (seen = takeFrame(frame, seen, listener)) });
      const decoder = new TextDecoder();
      const reader = body.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        clearTimeout(timer);
        timer = setTimeout(() => dead.abort(), times.silentMs);
        parser.feed(decoder.decode(read.value, { stream: true }));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (dead.signal.aborted) why = 'Nothing was heard for a while.';
      else why = error instanceof TypeError ? 'The controller does not answer.' : wordsOf(error);
      if (isFinal(error)) {
        if (seen === undefined) return;
        // Its log does not hold the position: another database is behind that address now.
        seen = undefined;
      }
    } finally {
      clearTimeout(timer);
    }
    lostSince ??= Date.now();
    const waitMs = pauseMs * (0.8 + Math.random() * 0.4);
    listener.onConnection({ state: 'lost', why, since: lostSince, retryAt: Date.now() + waitMs });
    await rest(waitMs, signal);
    pauseMs = Math.min(pauseMs * 2, times.longestPauseMs);
  }
};

const rest = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
