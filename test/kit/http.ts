import { randomUUID } from 'node:crypto';
import { createParser } from 'eventsource-parser';
import { EventView, Problem } from '#libs/contracts';
import { HeadgateClient } from '../../apps/cli/src/client.js';
import { until } from './until.js';

/** Where a controller listens and with which token to come. */
export type Door = { readonly url: string; readonly token?: string | undefined };

export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly headers: Headers;
  readonly text: string;
  readonly json: unknown;
};

type Asking = {
  /** JSON unless it is a string or bytes, which go as they are. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** One plain request, without repetitions, whatever comes back. */
export const ask = async (
  { url, token }: Door,
  method: string,
  path: string,
  { body, headers = {} }: Asking = {},
): Promise<Answer> => {
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(`${url}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return { status: response.status, type, headers: response.headers, text, json: parse(text) };
};

/** The problem in an answer; throws unless it is one in the form of RFC 9457 whose status is the answer's. */
export const problemIn = (answer: Answer): Problem => {
  const parsed = Problem.safeParse(answer.json);
  if (!answer.type.startsWith('application/problem+json') || !parsed.success || parsed.data.status !== answer.status) {
    throw new Error(`Not a problem: ${answer.status} ${answer.type} ${answer.text.slice(0, 300)}`);
  }
  return parsed.data;
};

/** The client of the command line, which never repeats by itself here. */
export const clientOf = ({ url, token }: Door): HeadgateClient => new HeadgateClient({ url, token, attempts: 1 });

type Role = 'admin' | 'operator' | 'viewer' | 'investigator' | 'service';

export const issueToken = async (admin: Door, role: Role, subject = `${role}-${randomUUID()}`): Promise<string> =>
  (await clientOf(admin).createToken({ subject, role })).secret;

export type EventTap = {
  readonly events: readonly EventView[];
  /** Ids as the stream gave them. */
  readonly ids: readonly number[];
  readonly until: (what: string, enough: (events: readonly EventView[]) => boolean) => Promise<void>;
  /** Resolves when the other side has ended the stream. */
  readonly ended: Promise<void>;
  readonly close: () => Promise<void>;
};

/** One connection to the event stream, kept as it came. */
export const tapEvents = async (
  { url, token }: Door,
  { query = '', lastEventId }: { readonly query?: string; readonly lastEventId?: number } = {},
): Promise<EventTap> => {
  const stop = new AbortController();
  const response = await fetch(`${url}/v1/events/stream${query}`, {
    headers: {
      authorization: `Bearer ${token ?? ''}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) }),
    },
    signal: stop.signal,
  });
  if (!response.ok || !response.body) throw new Error(`No event stream: ${response.status} ${await response.text()}`);
  const events: EventView[] = [];
  const ids: number[] = [];
  const parser = createParser({
    onEvent: ({ id, data }) => {
      ids.push(Number(id));
      events.push(EventView.parse(JSON.parse(data)));
    },
  });
  const body = response.body;
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    try {
      for await (const bytes of body) parser.feed(decoder.decode(bytes, { stream: true }));
    } catch {
      // A connection that breaks is an end like any other: what came is what counts.
    }
  };
  const ended = read();
  const close = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  return {
    events,
    ids,
    ended,
    close,
    until: (what, enough) => until(what, () => enough(events)).then(() => undefined),
  };
};
