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
  | 'timeout';

export type WebhookReceiver = {
  readonly url: string;
  readonly secret: string;
  readonly breakNext: (fault: ReceiverFault | undefined) => void;
  /** The next PUT waits until the returned function is called. */
  readonly holdNext: () => (() => void) & { readonly isWaiting: () => boolean };
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
  let hold: { go: (() => void) | undefined } | undefined;
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
      const fails = request.method === 'PUT' ? fault : undefined;
      if (fails !== undefined) fault = undefined;
      const waiting = request.method === 'PUT' ? hold : undefined;
      if (waiting) {
        hold = undefined;
        await new Promise<void>((go) => {
          waiting.go = go;
        });
      }
      if (fails === 'timeout') return;
      if (fails === 'cut-off') return void response.destroy();
      if (fails === 'throttled') return answer(429, '', { 'retry-after': '2' });
      if (fails === 'server-error') return answer(500);
      if (fails === 'forbidden') return answer(403);
      if (fails === 'nonsense') return answer(502, '<html>');
      if (!isSigned(request.headers, body, secret)) return answer(401);
      const known = held.get(path);
      if (request.method === 'GET')
        return known ? answer(200, known.text, { 'headgate-generation': String(known.generation) }) : answer(404);
      const generation = Number(String(request.headers['webhook-id']).split('-')[0]);
      if (known && (known.generation > generation || (known.generation === generation && known.text !== body)))
        return answer(409, '', { 'headgate-generation': String(known.generation) });
      held.set(path, { generation, text: body });
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
    holdNext: () => {
      const mine: { go: (() => void) | undefined } = { go: undefined };
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
