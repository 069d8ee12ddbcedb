import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { ZodError } from 'zod';
import type { EmulatedAnswer, EmulatedRequest } from './answer.js';
import { CloudWatch } from './cloudwatch/cloudwatch.js';
import { Faults, type Service } from './faults.js';
import { playAll, type AnyFaultStep } from './script.js';
import { Stores } from './stores/stores.js';
import { Monitoring } from './monitoring/monitoring.js';

const MOST_BODY_BYTES = 4 * 1024 * 1024;

export type EmulatorOptions = {
  readonly host?: string;
  /** 0 takes any that is free. */
  readonly port?: number;
  /** Epoch milliseconds; by default the clock of this machine. */
  readonly now?: () => number;
};

export type Emulator = {
  readonly url: string;
  /** What goes wrong from now on; takes the place of an earlier script. */
  readonly play: (script: readonly AnyFaultStep[]) => void;
  /** AppConfig, Parameter Manager and Vertex endpoints. */
  readonly stores: Stores;
  /** Requests that were answered or left hanging so far. */
  readonly requests: (service: Service) => number;
  readonly close: () => Promise<void>;
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

const send = (response: ServerResponse, answer: EmulatedAnswer): void => {
  if (answer.kind === 'hang') return;
  const { status, headers, body, isCutOff } = answer;
  const length = Buffer.byteLength(body);
  response.writeHead(status, { ...headers, 'content-length': String(isCutOff === true ? length + 100 : length) });
  if (isCutOff !== true) response.end(body);
  else response.write(body, () => response.destroy());
};

const text = (status: number, body: string): EmulatedAnswer => ({
  kind: 'answer',
  status,
  headers: { 'content-type': 'text/plain' },
  body,
});

const flat = (headers: IncomingMessage['headers']): EmulatedRequest['headers'] =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value ?? '')]));

const playAnswer = (play: (script: unknown) => void, body: string): EmulatedAnswer => {
  try {
    play(JSON.parse(body));
    return text(200, 'ok\n');
  } catch (error) {
    if (error instanceof ZodError) return text(400, `${error.issues.map(({ message }) => message).join('; ')}\n`);
    if (error instanceof SyntaxError) return text(400, 'The script is no JSON.\n');
    throw error;
  }
};

/** Serves all emulated services on one port, with an empty memory. Rejects when it cannot listen there. */
export const startEmulator = async (options: EmulatorOptions = {}): Promise<Emulator> => {
  const { host = '127.0.0.1', port = 0, now = Date.now } = options;
  const faults = new Faults();
  const cloudWatch = new CloudWatch(now);
  const monitoring = new Monitoring(now);
  const stores = new Stores(now);
  const play = (script: unknown): void => playAll(script, faults, stores);
  const counts: Record<Service, number> = { cloudwatch: 0, 'cloud-monitoring': 0 };
  const answerTo = (request: EmulatedRequest): EmulatedAnswer => {
    if (request.method === 'PUT' && request.url.pathname === '/emulator/faults') return playAnswer(play, request.body);
    const service: Service | undefined = monitoring.isMeant(request.url)
      ? 'cloud-monitoring'
      : request.headers['x-amz-target'] !== undefined
        ? 'cloudwatch'
        : undefined;
    if (service === undefined) return text(404, 'None of the emulated services has such a request.\n');
    counts[service] += 1;
    return (service === 'cloudwatch' ? cloudWatch : monitoring).answer(request, () => faults.next(service));
  };
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      const body = await read(request);
      if (body === undefined) return send(response, text(413, 'The body is too large.\n'));
      const url = new URL(request.url ?? '/', 'http://emulator');
      const asked = { method: request.method ?? 'GET', url, headers: flat(request.headers), body };
      const meant = stores.meant(asked);
      if (!meant) return send(response, answerTo(asked));
      const outcome = await stores.answer(meant, asked);
      if (outcome === 'cut') response.destroy();
      else send(response, outcome === 'hang' ? { kind: 'hang' } : { kind: 'answer', ...outcome });
    };
    serve().catch((error: unknown) => send(response, text(500, `The emulator has a fault: ${String(error)}\n`)));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`,
    play,
    stores,
    requests: (service) => counts[service],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
