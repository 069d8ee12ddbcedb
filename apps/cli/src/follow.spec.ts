import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventView } from '#libs/contracts';
import { ProblemError } from './client-errors.js';
import { HeadgateClient } from './client.js';
import { follow } from './follow.js';
import type { ConnectionNotice } from './follow.js';
import { event, problem } from './testing/fixtures.js';
import { startServer } from './testing/http-server.js';
import type { TestServer } from './testing/http-server.js';

const frame = (one: EventView) => `id: ${one.position}\nevent: event\ndata: ${JSON.stringify(one)}\n\n`;
const open = (response: ServerResponse) => response.writeHead(200, { 'content-type': 'text/event-stream' });

describe('following events', () => {
  let server: TestServer;
  let client: HeadgateClient;
  const stop = { now: new AbortController() };
  const notices: ConnectionNotice[] = [];

  /** The positions seen until there are `count`. */
  const positions = async (count: number, after = 0, silentMs = 60_000) => {
    const seen: number[] = [];
    const options = {
      after,
      signal: stop.now.signal,
      pauseMs: 1,
      silentMs,
      onNotice: (notice: ConnectionNotice) => notices.push(notice),
    };
    for await (const one of follow(client, { rollout: 'r' }, options)) {
      seen.push(one.position);
      if (seen.length === count) break;
    }
    return seen;
  };

  beforeEach(async () => {
    server = await startServer();
    client = new HeadgateClient({ url: server.url });
    stop.now = new AbortController();
    notices.length = 0;
  });
  afterEach(async () => {
    stop.now.abort();
    await server.close();
  });

  it('a connection that breaks in the middle of an event is taken up where it stopped: nothing twice, nothing left out', async () => {
    let connections = 0;
    server.on('GET /v1/events/stream', ({ headers }) => ({
      write: (response) => {
        connections += 1;
        const after = Number(headers['last-event-id']);
        open(response);
        if (connections === 1) {
          const half = frame(event(8));
          response.write(`: hello\n\n${frame(event(6))}${frame(event(7))}${half.slice(0, half.length / 2)}`, () =>
            response.destroy(),
          );
        } else {
          response.write([after, after + 1, after + 2].map((position) => frame(event(position))).join(''));
        }
      },
    }));
    expect(await positions(4, 5)).toEqual([6, 7, 8, 9]);
    expect(server.seen.map(({ headers }) => headers['last-event-id'])).toEqual(['5', '7']);
    expect(server.seen[0]?.query).toEqual({ rollout: 'r' });
  });

  it('a long outage is said once, and so is its end', async () => {
    let connections = 0;
    server.on('GET /v1/events/stream', () => {
      connections += 1;
      if (connections < 4) return { status: 503, json: problem({ status: 503, detail: 'starting' }) };
      return { write: (response) => open(response).write(frame(event(1))) };
    });
    expect(await positions(1)).toEqual([1]);
    expect(notices).toEqual([
      { kind: 'lost', why: 'starting', after: 0 },
      { kind: 'back', after: 0 },
    ]);
  });

  it('a connection that went silent is replaced', async () => {
    let connections = 0;
    server.on('GET /v1/events/stream', () => ({
      write: (response) => {
        connections += 1;
        open(response).write(connections === 1 ? ': hello\n\n' : frame(event(1)));
      },
    }));
    expect(await positions(1, 0, 300)).toEqual([1]);
    expect(connections).toBe(2);
  });

  it('a token that is refused ends it at once', async () => {
    server.on('GET /v1/events/stream', () => ({
      status: 401,
      json: problem({ status: 401, code: 'unauthenticated' }),
    }));
    await expect(positions(1)).rejects.toBeInstanceOf(ProblemError);
    expect(server.seen).toHaveLength(1);
  });

  it('it ends without a word when it is told to stop', async () => {
    server.on('GET /v1/events/stream', () => ({
      write: (response) => {
        open(response).write(frame(event(1)));
        response.once('close', () => undefined);
      },
    }));
    const seen: number[] = [];
    for await (const one of follow(client, {}, { after: 0, signal: stop.now.signal })) {
      seen.push(one.position);
      stop.now.abort();
    }
    expect(seen).toEqual([1]);
  });
});
