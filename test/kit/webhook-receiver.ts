import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

type Held = { readonly generation: number; readonly text: string };
export type ReceiverFault =
  | 'cut-off'
  | 'lost-answer'
  | 'throttled'
  | 'server-error'
  | 'server-error-after'
  | 'forbidden'
  | 'nonsense'
  | 'timeout'
  | 'timeout-after';

export type WebhookReceiver = {
  readonly url: string;
  readonly secret: string;
  /** The next PUT goes wrong. */
  readonly breakNext: (fault: ReceiverFault | undefined) => void;
  /** The next GET does. */
  readonly breakNextRead: (fault: ReceiverFault) => void;
  /** The next PUT waits, undone or done and unanswered, until the returned function is called. */
  readonly holdNext: (what?: 'request' | 'answer') => (() => void) & { readonly isWaiting: () => boolean };
  /** From now on what was taken is in force after so long, and answered with 202 until then. */
  readonly takesMs: (ms: number) => void;
  /** Lets time pass. */
  readonly advance: (ms: number) => void;
  /** What somebody else put there. */
  readonly write: (path: string, text: string) => void;
  readonly held: (path: string) => Held | undefined;
  readonly close: () => Promise<void>;
};

/** As Standard Webhooks says: any one signature must fit, and the time may be off by five minutes. */
const isSigned = (headers: Readonly<Record<string, unknown>>, body: string, secret: string): boolean => {
  const [id, timestamp, signatures] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
    String(headers[name] ?? ''),
  );
  if (!(Math.abs(Date.now() / 1_000 - Number(timestamp)) < 300)) return false;
  const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
  const wanted = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest();
  return (signatures ?? '').split(' ').some((each) => {
    const given = Buffer.from(each.slice('v1,'.length), 'base64');
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  });
};

/** What a receiver must do: check the signature, refuse what is older, and say what it holds. */
export const startWebhookReceiver = async (): Promise<WebhookReceiver> => {
  const secret = `whsec_${Buffer.from('a secret of 24 bytes or so').toString('base64')}`;
  const held = new Map<string, Held>();
  let fault: ReceiverFault | undefined;
  let readFault: ReceiverFault | undefined;
  let hold: { readonly what: 'request' | 'answer'; go: (() => void) | undefined } | undefined;
  let [now, takes] = [0, 0];
  const pending = new Map<string, Held & { readonly at: number }>();
  const settle = (path: string): void => {
    const next = pending.get(path);
    if (next === undefined || next.at > now) return;
    pending.delete(path);
    held.set(path, { generation: next.generation, text: next.text });
  };
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
      const body = Buffer.concat(chunks).toString('utf8');
      const path = request.url ?? '/';
      const answer = (status: number, text = '', headers: Readonly<Record<string, string>> = {}): void => {
        response.writeHead(status, headers);
        response.end(text);
      };
      const isWrite = request.method === 'PUT';
      const fails = isWrite ? fault : readFault;
      if (isWrite) fault = undefined;
      else readFault = undefined;
      const waiting = isWrite ? hold : undefined;
      if (waiting) hold = undefined;
      const waits = () =>
        new Promise<void>((go) => {
          if (waiting) waiting.go = go;
          else go();
        });
      if (waiting?.what === 'request') await waits();
      settle(path);
      if (fails === 'timeout') return;
      if (fails === 'cut-off') return void response.destroy();
      if (fails === 'throttled') return answer(429, '', { 'retry-after': '2' });
      if (fails === 'server-error') return answer(500);
      if (fails === 'forbidden') return answer(403);
      if (fails === 'nonsense') return answer(502, '<html>');
      if (!isSigned(request.headers, body, secret)) return answer(401);
      const known = held.get(path);
      const underWay = pending.get(path);
      if (request.method === 'GET')
        return known ? answer(200, known.text, { 'headgate-generation': String(known.generation) }) : answer(404);
      const generation = Number(String(request.headers['webhook-id']).split('-')[0]);
      const newest = underWay ?? known;
      if (newest && (newest.generation > generation || (newest.generation === generation && newest.text !== body)))
        return answer(409, '', { 'headgate-generation': String(newest.generation) });
      const isNew = newest?.generation !== generation;
      if (takes > 0 && isNew) pending.set(path, { generation, text: body, at: now + takes });
      else if (underWay === undefined) held.set(path, { generation, text: body });
      if (waiting?.what === 'answer') await waits();
      if (pending.has(path)) return answer(202);
      if (fails === 'timeout-after') return;
      if (fails === 'lost-answer') return void response.destroy();
      return answer(fails === 'server-error-after' ? 500 : 204);
    };
    serve().catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    secret,
    breakNext: (what) => {
      fault = what;
    },
    breakNextRead: (what) => {
      readFault = what;
    },
    takesMs: (ms) => {
      takes = ms;
    },
    advance: (ms) => {
      now += ms;
    },
    holdNext: (what = 'request') => {
      const mine: NonNullable<typeof hold> = { what, go: undefined };
      hold = mine;
      return Object.assign(() => mine.go?.(), { isWaiting: () => mine.go !== undefined });
    },
    write: (path, text) => void held.set(path, { generation: 0, text }),
    held: (path) => held.get(path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
