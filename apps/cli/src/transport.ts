import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { Problem } from '#libs/contracts';
import { ProblemError, ReplyError, rootCause, UnreachableError } from './client-errors.js';

export interface TransportOptions {
  readonly url: string;
  readonly token?: string | undefined;
  /** How often a request is tried in all (default 4, and 9 where connections are refused: about 11 s). */
  readonly attempts?: number;
  /** How long one attempt may take, in ms (default 30,000). */
  readonly timeoutMs?: number;
  /** Told once, of the first request that gets no answer for so long, in ms (default 5,000). */
  readonly onSlow?: (url: string) => void;
  /** Told once, where connections are refused and it is tried for longer. */
  readonly onRefused?: (url: string) => void;
  readonly slowMs?: number;
  /** First pause between attempts, in ms (default 200); it doubles up to ten times as long, with chance in it. */
  readonly pauseMs?: number;
}

interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const LONGEST_PAUSE_MS = 5_000;
const ATTEMPTS = 4;
/** A controller that starts again listens after some seconds, and whoever calls in the middle of that is not to be sent away. */
const ATTEMPTS_WHERE_REFUSED = 9;

/** Of what failed so, nothing has left this machine. */
const NEVER_SENT = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/;

/** What the controller waits for before another try, in ms; undefined when it does not say. */
const retryAfter = (response: Response): number | undefined => {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1_000, LONGEST_PAUSE_MS) : undefined;
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};

/** The problem in an answer; one is made up for answers of proxies that know no problem details. */
const problemOf = async (response: Response): Promise<Problem> => {
  const text = await response.text();
  const parsed = Problem.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const title = response.statusText || `HTTP ${response.status}`;
  const detail = text.trim().slice(0, 300) || title;
  return { type: 'about:blank', title, status: response.status, detail, code: `http-${response.status}` };
};

/** Sends requests, repeats what may be repeated, and checks answers against a schema. */
export class Transport {
  readonly url: string;
  readonly #options: TransportOptions;
  #isToldSlow = false;
  #isToldRefused = false;

  constructor(options: TransportOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.#options = options;
  }

  /** Every write carries a key or is idempotent by itself, so each request may be repeated. */
  async send<T>(request: Request, reply: z.ZodType<T>): Promise<T> {
    const name = `${request.method} ${request.path}`;
    const slow = setTimeout(() => this.#tellSlow(), this.#options.slowMs ?? 5_000);
    const text = await this.#attempt(name, async () => {
      const response = await this.#fetch(request, AbortSignal.timeout(this.#options.timeoutMs ?? 30_000));
      return response.ok ? { response, text: await response.text() } : { response };
    }).finally(() => clearTimeout(slow));
    const json = text === '' ? undefined : parseJson(text);
    if (text !== '' && json === undefined) throw new ReplyError(this.url, name, `not JSON: ${text.slice(0, 80)}`);
    const parsed = reply.safeParse(json);
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new ReplyError(this.url, name, `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? 'unknown'}`);
  }

  /** Opens a stream, of events unless said otherwise, once: throws `ProblemError` when refused, the error of fetch when unreachable. */
  async open(
    path: string,
    query: Request['query'],
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
    wanted: { readonly type: string; readonly what: string } = { type: 'text/event-stream', what: 'an event stream' },
  ): Promise<ReadableStream<Uint8Array>> {
    const request: Request = {
      method: 'GET',
      path,
      headers: { accept: wanted.type, ...headers },
      ...(query ? { query } : {}),
    };
    const response = await this.#fetch(request, signal);
    const type = response.headers.get('content-type') ?? '';
    if (!response.ok) throw new ProblemError(await problemOf(response), `GET ${path}`);
    if (!response.body || !type.startsWith(wanted.type)) {
      await response.body?.cancel();
      throw new ReplyError(this.url, `GET ${path}`, `not ${wanted.what} but ${type || 'nothing'}`);
    }
    return response.body;
  }

  #tellSlow(): void {
    if (!this.#isToldSlow) this.#options.onSlow?.(this.url);
    this.#isToldSlow = true;
  }

  #tellRefused(): void {
    if (!this.#isToldRefused) this.#options.onRefused?.(this.url);
    this.#isToldRefused = true;
  }

  async #attempt(
    name: string,
    once: () => Promise<{ readonly response: Response; readonly text?: string }>,
  ): Promise<string> {
    const attempts = this.#options.attempts ?? ATTEMPTS;
    let mayHaveArrived = false;
    for (let attempt = 1; ; attempt += 1) {
      let wait: number | undefined;
      try {
        const { response, text } = await once();
        if (response.ok) return text ?? '';
        if (!AGAIN.has(response.status) || attempt >= attempts) throw new ProblemError(await problemOf(response), name);
        wait = retryAfter(response);
        await response.body?.cancel();
      } catch (error) {
        if (error instanceof ProblemError) throw error;
        const why = rootCause(error);
        const isRefused = why.includes('ECONNREFUSED');
        mayHaveArrived ||= !NEVER_SENT.test(why);
        const most = isRefused && this.#options.attempts === undefined ? ATTEMPTS_WHERE_REFUSED : attempts;
        if (attempt >= most) throw new UnreachableError(this.url, name, attempt, why, mayHaveArrived);
        if (attempt >= attempts) this.#tellRefused();
      }
      const longer = Math.min(2 ** (attempt - 1), 10);
      await sleep(wait ?? (this.#options.pauseMs ?? 200) * longer * (0.75 + Math.random() / 2));
    }
  }

  #fetch(request: Request, signal: AbortSignal): Promise<Response> {
    const url = new URL(`${this.url}${request.path}`);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { accept: 'application/json', ...request.headers };
    if (this.#options.token !== undefined) headers['authorization'] = `Bearer ${this.#options.token}`;
    const body = request.body === undefined ? {} : { body: JSON.stringify(request.body) };
    if (request.body !== undefined) headers['content-type'] = 'application/json';
    return fetch(url, { method: request.method, headers, signal, ...body });
  }
}
