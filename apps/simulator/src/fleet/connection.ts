import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';

export type Answer = { readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string };

export type Call = {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
};

/** HTTP to one controller over a few connections that stay open. */
export type Connection = {
  /** Resolves with any answer, whatever its status; rejects when there is none (refused, reset, 10 s silence). */
  readonly call: (call: Call) => Promise<Answer>;
  readonly close: () => void;
};

const SILENCE_MS = 10_000;
const SOCKETS = 64;

/** @param url where the controller listens, such as http://127.0.0.1:7070 */
export const connect = (url: string, token: string): Connection => {
  const base = new URL(url);
  const secure = base.protocol === 'https:';
  const agent = secure
    ? new HttpsAgent({ keepAlive: true, maxSockets: SOCKETS })
    : new HttpAgent({ keepAlive: true, maxSockets: SOCKETS });
  const prefix = base.pathname.replace(/\/$/, '');
  const send = secure ? httpsRequest : httpRequest;

  const call = ({ method, path, body, headers }: Call): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const options: RequestOptions = {
        agent,
        method,
        hostname: base.hostname,
        port: base.port,
        path: `${prefix}${path}`,
        timeout: SILENCE_MS,
        headers: {
          authorization: `Bearer ${token}`,
          ...headers,
          ...(body === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
        },
      };
      const request = send(options, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString('utf8'),
          }),
        );
      });
      request.on('timeout', () =>
        request.destroy(new Error(`no answer from ${base.host} within ${SILENCE_MS / 1_000} s`)),
      );
      request.on('error', reject);
      request.end(body);
    });

  return { call, close: () => agent.destroy() };
};
