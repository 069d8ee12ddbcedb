import { afterEach, describe, expect, it } from 'vitest';
import type { EventView } from '#libs/contracts';
import { RefusedError } from './problem.js';
import { followEvents, type Connection } from './stream.js';

const TIMES = { silentMs: 200, firstPauseMs: 1, longestPauseMs: 5 };

const frame = (position: number): string =>
  `id: ${position}\nevent: event\ndata: ${JSON.stringify({ position, type: 'StagePassed' })}\n\n`;
const deliveries = (id: string): string => `event: deliveries\ndata: ${JSON.stringify({ hooks: [id] })}\n\n`;
const progress = (id: string): string => `event: progress\ndata: ${JSON.stringify({ rollouts: [id] })}\n\n`;

const refusal = (status: number): RefusedError =>
  new RefusedError({ type: '', title: '', status, detail: `refused with ${status}`, code: 'code' }, 'GET');

/** What one connection brings, in pieces: it ends after them, or stays open and silent. */
type Script = { readonly pieces: readonly string[]; readonly stays?: boolean } | Error;

const stop = new Set<AbortController>();
afterEach(() => {
  for (const each of stop) each.abort();
  stop.clear();
});

/** Follows scripted connections, one after the other; the last one stays open. */
const follow = async (scripts: readonly Script[], isEnough: (seen: Seen) => boolean): Promise<Seen> => {
  const seen: Seen = { after: [], positions: [], progress: [], deliveries: [], states: [], gaps: 0 };
  const ending = new AbortController();
  stop.add(ending);
  const check = (): void => {
    if (isEnough(seen)) ending.abort();
  };
  const stream = (after: number | undefined, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> => {
    const script = scripts[seen.after.length] ?? { pieces: [], stays: true };
    seen.after.push(after);
    if (script instanceof Error) return Promise.reject(script);
    return Promise.resolve(
      new ReadableStream<Uint8Array>({
        start(controller) {
          signal.addEventListener('abort', () => controller.error(new Error('aborted')));
          for (const piece of script.pieces) controller.enqueue(new TextEncoder().encode(piece));
          if (script.stays !== true) controller.close();
        },
      }),
    );
  };
  const listener = {
    onConnection: (connection: Connection) => {
      seen.states.push(connection.state);
      check();
    },
    onEvent: ({ position }: EventView) => {
      seen.positions.push(position);
      check();
    },
    onProgress: (rollouts: readonly string[]) => seen.progress.push(...rollouts),
    onDeliveries: (hooks: readonly string[]) => seen.deliveries.push(...hooks),
    onGap: () => (seen.gaps += 1),
  };
  await followEvents({ stream }, listener, ending.signal, TIMES);
  return seen;
};

type Seen = {
  readonly after: (number | undefined)[];
  readonly positions: number[];
  readonly progress: string[];
  readonly deliveries: string[];
  readonly states: Connection['state'][];
  gaps: number;
};

describe('The event stream', () => {
  it('goes on after the last event it has seen, each once and in order', async () => {
    const seen = await follow(
      [{ pieces: [frame(7), frame(8)] }, { pieces: [frame(8), frame(9)] }, { pieces: [frame(10)], stays: true }],
      ({ positions }) => positions.includes(10),
    );
    expect(seen.positions).toEqual([7, 8, 9, 10]);
    expect(seen.after).toEqual([undefined, 8, 9]);
  });

  it('reads frames that come in pieces', async () => {
    const text = frame(7) + frame(8);
    const seen = await follow([{ pieces: [...text], stays: true }], ({ positions }) => positions.length === 2);
    expect(seen.positions).toEqual([7, 8]);
  });

  it('has everything read again only where it cannot know what came before', async () => {
    const seen = await follow([{ pieces: [frame(7)] }, { pieces: [frame(8)], stays: true }], ({ positions }) =>
      positions.includes(8),
    );
    expect(seen.gaps).toBe(1);
  });

  it('tells of assessments without moving its place', async () => {
    const seen = await follow(
      [{ pieces: [frame(7), progress('r1'), deliveries('h1')] }, { pieces: [frame(8)], stays: true }],
      ({ positions }) => positions.includes(8),
    );
    expect([seen.progress, seen.deliveries]).toEqual([['r1'], ['h1']]);
    expect(seen.after).toEqual([undefined, 7]);
  });

  it('says that it is lost and comes back, whatever broke it', async () => {
    const seen = await follow(
      [{ pieces: [frame(7)] }, new TypeError('fetch failed'), refusal(503), { pieces: [frame(8)], stays: true }],
      ({ positions }) => positions.includes(8),
    );
    expect(seen.states).toEqual(['connecting', 'live', 'lost', 'lost', 'lost', 'live']);
    expect(seen.after).toEqual([undefined, 7, 7, 7]);
  });

  it('takes a connection on which nothing is heard for dead', async () => {
    const seen = await follow(
      [
        { pieces: [frame(7)], stays: true },
        { pieces: [frame(8)], stays: true },
      ],
      ({ positions }) => positions.includes(8),
    );
    expect(seen.states).toContain('lost');
  });

  it('begins anew where its position is not known any more', async () => {
    const seen = await follow(
      [{ pieces: [frame(700)] }, refusal(400), { pieces: [frame(3)], stays: true }],
      ({ positions }) => positions.includes(3),
    );
    expect(seen.after).toEqual([undefined, 700, undefined]);
    expect(seen.gaps).toBe(2);
  });

  it('ends when it is refused from the start', async () => {
    const seen = await follow([refusal(401)], () => false);
    expect(seen.after).toEqual([undefined]);
  });
});
