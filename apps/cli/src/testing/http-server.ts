import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';

/** One request as the server saw it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

/** JSON with a status, or `write` for what takes more than that. */
export interface Reply {
  readonly status?: number;
  readonly json?: unknown;
  readonly headers?: Record<string, string>;
  readonly write?: (response: ServerResponse) => void;
}

export interface TestServer {
  readonly url: string;
  readonly seen: readonly Seen[];
  /** Sets what a route answers: `GET /v1/rollouts`. A later call replaces an earlier one. */
  readonly on: (route: string, reply: (seen: Seen) => Reply) => void;
  readonly close: () => Promise<void>;
}

const answer = (response: ServerResponse, reply: Reply): void => {
  if (reply.write) {
    reply.write(response);
    return;
  }
  const status = reply.status ?? 200;
  const type = status >= 400 ? 'application/problem+json' : 'application/json';
  response.writeHead(status, { 'content-type': type, ...reply.headers });
  response.end(reply.json === undefined ? '' : JSON.stringify(reply.json));
};

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      if (typeof address === 'object' && address !== null) resolve(address.port);
      else reject(new Error('the server has no port'));
    });
  });

/** An HTTP server for specs that answers what it is told and remembers what it was asked. Unknown routes answer 404. */
export const startServer = async (): Promise<TestServer> => {
  const seen: Seen[] = [];
  const routes = new Map<string, (one: Seen) => Reply>();
  const server = createServer((request, response) => {
    text(request).then(
      (body) => {
        const url = new URL(request.url ?? '/', 'http://localhost');
        const one: Seen = {
          method: request.method ?? '',
          path: url.pathname,
          query: Object.fromEntries(url.searchParams),
          headers: request.headers,
          body: body === '' ? undefined : (JSON.parse(body) as unknown),
        };
        seen.push(one);
        const route = routes.get(`${one.method} ${one.path}`);
        const missing = {
          type: 'about:blank',
          title: 'Not found',
          status: 404,
          detail: `no ${one.path}`,
          code: 'not-found',
        };
        answer(response, route ? route(one) : { status: 404, json: missing });
      },
      (error: unknown) => response.destroy(error instanceof Error ? error : undefined),
    );
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    on: (route, reply) => routes.set(route, reply),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
};
