import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { ZodError } from 'zod';
import { AppConfig } from './appconfig/appconfig.js';
import { ParameterManager } from './parameter-manager/parameter-manager.js';
import { Vertex } from './vertex/vertex.js';
import { StoreScript, STORES, type Store, type StoreFault, type StoreFaultStep } from './script.js';
import { json, type EmulatedStore, type StoreAnswer, type StoreRequest } from './wire.js';

const MOST_BODY_BYTES = 16 * 1024 * 1024;

export type StoreEmulatorOptions = {
  readonly host?: string;
  /** 0 takes any that is free. */
  readonly port?: number;
  /** Epoch milliseconds; by default the clock of this machine. */
  readonly now?: () => number;
};

type Hold = { readonly service: Store; readonly operation: string; go: (() => void) | undefined; isOver: boolean };

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

/** AppConfig with AppConfig Data, Parameter Manager and Vertex endpoints on one port, with an empty memory. */
export class StoreEmulator {
  readonly appConfig: AppConfig;
  readonly parameterManager: ParameterManager;
  readonly vertex: Vertex;
  /** How long deployments of AppConfig and operations of Vertex take from now on, in ms. */
  takesMs = 0;
  /** How long a second of a poll interval of AppConfig Data lasts, in ms: less, where fleets are played in fast motion. */
  pollSecondMs = 1_000;
  readonly #services: Readonly<Record<Store, EmulatedStore>>;
  readonly #script = new StoreScript();
  readonly #down = new Set<Store>();
  readonly #counts = new Map<string, number>();
  readonly #holds: Hold[] = [];
  #server: Server | undefined;
  #url = '';

  private constructor(now: () => number) {
    this.appConfig = new AppConfig(
      now,
      () => this.takesMs,
      () => this.pollSecondMs,
    );
    this.parameterManager = new ParameterManager(now);
    this.vertex = new Vertex(now, () => this.takesMs);
    const { appConfig, parameterManager, vertex } = this;
    this.#services = { appconfig: appConfig, 'parameter-manager': parameterManager, vertex };
  }

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

  /** What goes wrong from now on; takes the place of an earlier script. */
  play(script: readonly StoreFaultStep[]): void {
    this.#script.play(script);
  }

  /** A service that is down answers 503 to everything. */
  setDown(service: Store, isDown: boolean): void {
    if (isDown) this.#down.add(service);
    else this.#down.delete(service);
  }

  /** The next request of an operation waits, undone, until the returned function is called. */
  hold(service: Store, operation: string): (() => void) & { readonly isWaiting: () => boolean } {
    const hold: Hold = { service, operation, go: undefined, isOver: false };
    this.#holds.push(hold);
    const letGo = (): void => {
      hold.isOver = true;
      hold.go?.();
    };
    return Object.assign(letGo, { isWaiting: () => hold.go !== undefined });
  }

  /** How many requests of an operation, or of all, have come so far. */
  requests(service: Store, operation = '*'): number {
    return this.#counts.get(`${service} ${operation}`) ?? 0;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server?.close(() => resolve());
      this.#server?.closeAllConnections();
    });
  }

  #count(service: Store, operation: string): void {
    for (const key of [`${service} ${operation}`, `${service} *`])
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(incoming);
    if (body === undefined) return send(response, text(413, 'The body is too large.\n'));
    const url = new URL(incoming.url ?? '/', 'http://emulator');
    const request = { method: incoming.method ?? 'GET', url, headers: flat(incoming.headers), body };
    if (request.method === 'PUT' && url.pathname === '/emulator/faults') return send(response, this.#playAnswer(body));
    for (const service of STORES) {
      const operation = this.#services[service].operationOf(request);
      if (operation !== undefined) return this.#answer(service, operation, request, response);
    }
    return send(response, text(404, 'None of the emulated services has such a request.\n'));
  }

  async #answer(service: Store, operation: string, request: StoreRequest, response: ServerResponse): Promise<void> {
    const emulated = this.#services[service];
    this.#count(service, operation);
    const fault = this.#down.has(service) ? 'unavailable' : this.#script.next(service, operation);
    const held = this.#holds.find(
      (each) => !each.isOver && each.go === undefined && each.service === service && each.operation === operation,
    );
    if (held)
      await new Promise<void>((go) => {
        held.go = go;
      });
    const answer = this.#faulty(emulated, fault, () => emulated.answer(request, operation));
    if (answer === 'hang') return;
    if (answer === 'cut') {
      response.destroy();
      return;
    }
    send(response, answer);
  }

  #faulty(
    service: EmulatedStore,
    fault: StoreFault | undefined,
    answer: () => StoreAnswer,
  ): StoreAnswer | 'hang' | 'cut' {
    switch (fault) {
      case undefined:
        return answer();
      case 'timeout':
        return 'hang';
      case 'cut-off':
        return 'cut';
      case 'lost-answer':
        answer();
        return 'cut';
      case 'server-error-after':
        answer();
        return service.fail('server-error');
      case 'nonsense':
        return { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Sign in</html>' };
      default:
        return service.fail(fault);
    }
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
