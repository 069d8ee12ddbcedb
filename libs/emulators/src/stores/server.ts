import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { ZodError } from 'zod';
import type { StoreFaultStep } from './script.js';
import { Stores } from './stores.js';
import { json, type StoreAnswer, type StoreRequest } from './wire.js';

const MOST_BODY_BYTES = 16 * 1024 * 1024;

export type StoreEmulatorOptions = {
  readonly host?: string;
  /** 0 takes any that is free. */
  readonly port?: number;
  /** Epoch milliseconds; by default the clock of this machine. */
  readonly now?: () => number;
};

const read = async (request: IncomingMessage): Promise<string | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MOST_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString('utf8');
};

const send = (response: ServerResponse, { status, headers, body }: StoreAnswer): void => {
  response.writeHead(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
  response.end(body);
};

const flat = (headers: IncomingMessage['headers']): StoreRequest['headers'] =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value ?? '')]));

const text = (status: number, body: string): StoreAnswer => ({
  status,
  headers: { 'content-type': 'text/plain' },
  body,
});

/** The stores on a port of their own. */
export class StoreEmulator extends Stores {
  #server: Server | undefined;
  #url = '';

  /** Rejects when it cannot listen there. */
  static async start(options: StoreEmulatorOptions = {}): Promise<StoreEmulator> {
    const { host = '127.0.0.1', port = 0, now = Date.now } = options;
    const emulator = new StoreEmulator(now);
    const server = createServer((request, response) => {
      emulator
        .#serve(request, response)
        .catch((error: unknown) => send(response, text(500, `The emulator has a fault: ${String(error)}\n`)));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    emulator.#server = server;
    emulator.#url = `http://${host}:${(server.address() as AddressInfo).port}`;
    return emulator;
  }

  get url(): string {
    return this.#url;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server?.close(() => resolve());
      this.#server?.closeAllConnections();
    });
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(incoming);
    if (body === undefined) return send(response, text(413, 'The body is too large.\n'));
    const url = new URL(incoming.url ?? '/', 'http://emulator');
    const request = { method: incoming.method ?? 'GET', url, headers: flat(incoming.headers), body };
    if (request.method === 'PUT' && url.pathname === '/emulator/faults') return send(response, this.#playAnswer(body));
    const meant = this.meant(request);
    if (!meant) return send(response, text(404, 'None of the emulated services has such a request.\n'));
    const outcome = await this.answer(meant, request);
    if (outcome === 'cut') response.destroy();
    else if (outcome !== 'hang') send(response, outcome);
  }

  #playAnswer(body: string): StoreAnswer {
    try {
      this.play(JSON.parse(body) as StoreFaultStep[]);
      return json(200, {});
    } catch (error) {
      if (error instanceof ZodError) return text(400, `${error.issues.map(({ message }) => message).join('; ')}\n`);
      if (error instanceof SyntaxError) return text(400, 'The script is no JSON.\n');
      throw error;
    }
  }
}
