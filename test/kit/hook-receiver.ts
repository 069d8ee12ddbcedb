import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { HTTP, type CloudEvent } from 'cloudevents';
import { Webhook } from 'standardwebhooks';
import { HookEventData } from '#libs/contracts';

export type Received = { readonly id: string; readonly event: CloudEvent<unknown>; readonly data: HookEventData };

/** What a receiver answers to an event. `hang`: nothing; `moved`: that it is elsewhere. */
export type Reply = number | 'hang' | 'moved';

export type HookReceiver = {
  readonly url: string;
  /** Events whose signature held and that were answered with success, in order of arrival. */
  readonly taken: readonly Received[];
  /** Each attempt whose signature held. */
  readonly attempts: readonly Received[];
  /** What official libraries would not take. */
  readonly refused: readonly string[];
  /** What signs events; given once it is known. */
  secret: string;
  /** Default: 204 for all. */
  reply: (received: Received) => Reply;
  readonly close: () => Promise<void>;
};

const read = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

const listen = async (server: Server): Promise<string> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

/** Takes events as somebody would who uses the official libraries of Standard Webhooks and CloudEvents. */
export const startHookReceiver = async (): Promise<HookReceiver> => {
  const taken: Received[] = [];
  const attempts: Received[] = [];
  const refused: string[] = [];
  const serve = async (request: IncomingMessage): Promise<Reply> => {
    const body = await read(request);
    const headers = request.headers as Record<string, string>;
    new Webhook(receiver.secret).verify(body, headers);
    const event = HTTP.toEvent({ headers, body }) as CloudEvent<unknown>;
    event.validate();
    const received = { id: headers['webhook-id'] ?? '', event, data: HookEventData.parse(event.data) };
    attempts.push(received);
    const reply = receiver.reply(received);
    if (typeof reply === 'number' && reply < 300) taken.push(received);
    return reply;
  };
  const server = createServer((request, response) => {
    serve(request)
      .then((reply) => {
        if (reply === 'hang') return;
        if (reply === 'moved') response.writeHead(302, { location: `${receiver.url}/elsewhere` });
        else response.writeHead(reply);
        response.end();
      })
      .catch((error: unknown) => {
        refused.push(String(error));
        response.writeHead(400).end();
      });
  });
  const url = await listen(server);
  const receiver: HookReceiver = {
    url,
    taken,
    attempts,
    refused,
    secret: '',
    reply: () => 204,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
};
