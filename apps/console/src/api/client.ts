import type {
  ApplyResult,
  AtView,
  BoardView,
  ConfigView,
  EventView,
  EvidenceView,
  ExposedView,
  HookView,
  InclusionProof,
  LogHead,
  LogKeys,
  OpenChanges,
  PlanPreview,
  RolloutView,
  TargetView,
  WhoAmI,
} from '#libs/contracts';
import { problemOf, RefusedError, UnreachableError } from './problem.js';

export type EventQuery = {
  readonly q?: string | undefined;
  readonly type?: string | undefined;
  readonly config?: string | undefined;
  readonly target?: string | undefined;
  readonly rollout?: string | undefined;
  readonly actor?: string | undefined;
  readonly correlation?: string | undefined;
  readonly event?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit?: number | undefined;
  readonly order?: 'oldest' | 'newest' | undefined;
  readonly after?: number | undefined;
};
/** A moment, now where none is given, and the slice that is asked about. */
export type OpenQuery = {
  readonly at?: string | undefined;
  readonly platform?: string | undefined;
  readonly target?: string | undefined;
  readonly config?: string | undefined;
  readonly lookBackHours?: number | undefined;
};
export type EventPage = { readonly items: readonly EventView[]; readonly nextCursor: string | null };
export type Steering = 'pause' | 'resume' | 'promote' | 'abort' | 'abandon';
export type StartRequest = {
  readonly config: string;
  readonly revision: number;
  readonly plan: string;
  readonly reason: string;
  readonly vetoReason?: string;
};

type Query = Readonly<Record<string, string | number | undefined>>;
type Asking = { readonly method?: 'GET' | 'POST'; readonly query?: Query; readonly body?: unknown };

const addressOf = (path: string, query: Query): string => {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '');
  const words = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return words === '' ? path : `${path}?${words}`;
};

const part = encodeURIComponent;

/** 128 random bits; `randomUUID` is not there where the console is opened without TLS from another machine. */
const onceKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const LINE_FEED = 10;

/** What comes before the first line feed; ends there, however much would follow. */
const firstLine = async (response: Response): Promise<Uint8Array> => {
  const reader = response.body?.getReader();
  let line = new Uint8Array();
  for (;;) {
    const read = await reader?.read();
    if (read?.value === undefined) throw new UnreachableError();
    const end = read.value.indexOf(LINE_FEED);
    const more = end === -1 ? read.value : read.value.subarray(0, end);
    const longer = new Uint8Array(line.length + more.length);
    longer.set(line);
    longer.set(more, line.length);
    line = longer;
    if (end !== -1) return line;
  }
};

/** The controller's own API and nothing else. The token goes in a header and never into an address. */
export class Api {
  readonly #token: string;
  readonly #onUnknown: (detail: string) => void;

  /** `onUnknown` is told when the token counts no more. */
  constructor(token: string, onUnknown: (detail: string) => void = () => undefined) {
    this.#token = token;
    this.#onUnknown = onUnknown;
  }

  whoAmI(): Promise<WhoAmI> {
    return this.#ask('/v1/whoami');
  }

  board(): Promise<BoardView> {
    return this.#ask('/v1/board');
  }

  async configs(): Promise<readonly ConfigView[]> {
    return (await this.#ask<{ items: ConfigView[] }>('/v1/configs')).items;
  }

  config(key: string): Promise<ConfigView> {
    return this.#ask(`/v1/configs/${part(key)}`);
  }

  async targets(): Promise<readonly TargetView[]> {
    return (await this.#ask<{ items: TargetView[] }>('/v1/targets')).items;
  }

  rollout(id: string): Promise<RolloutView> {
    return this.#ask(`/v1/rollouts/${part(id)}`);
  }

  async rolloutsOf(config: string): Promise<readonly RolloutView[]> {
    return (await this.#ask<{ items: RolloutView[] }>('/v1/rollouts', { query: { config, limit: 50 } })).items;
  }

  evidence(id: string): Promise<EvidenceView> {
    return this.#ask(`/v1/rollouts/${part(id)}/evidence`);
  }

  events(query: EventQuery): Promise<EventPage> {
    return this.#ask('/v1/events', { query: { ...query } });
  }

  at(moment: {
    readonly position?: number;
    readonly time?: string;
    readonly asKnownAt?: string | undefined;
  }): Promise<AtView> {
    return this.#ask('/v1/at', { query: moment });
  }

  exposed(id: string): Promise<ExposedView> {
    return this.#ask(`/v1/rollouts/${part(id)}/exposed`);
  }

  openChanges(query: OpenQuery): Promise<OpenChanges> {
    return this.#ask('/v1/changes/open', { query: { ...query } });
  }

  async hooks(): Promise<readonly HookView[]> {
    return (await this.#ask<{ items: HookView[] }>('/v1/hooks')).items;
  }

  logHead(): Promise<LogHead> {
    return this.#ask('/v1/log/head');
  }

  logKeys(): Promise<LogKeys> {
    return this.#ask('/v1/log/keys');
  }

  inclusion(position: number, size: number): Promise<InclusionProof> {
    return this.#ask('/v1/log/inclusion', { query: { position, size } });
  }

  /** The exact line of one event in the export, without its line feed. The rest of the export is not read. */
  async eventLine(position: number): Promise<Uint8Array> {
    const path = '/v1/log/export';
    const leave = new AbortController();
    const response = await this.#fetch(addressOf(path, { after: position - 1 }), {
      headers: { authorization: `Bearer ${this.#token}` },
      signal: leave.signal,
    });
    if (!response.ok) throw await this.#refusal(response, `GET ${path}`);
    try {
      return await firstLine(response);
    } finally {
      leave.abort();
    }
  }

  steer(id: string, what: Steering, body: Readonly<Record<string, unknown>>): Promise<RolloutView> {
    return this.#ask(`/v1/rollouts/${part(id)}/${what}`, { method: 'POST', body });
  }

  undo(config: string, body: Readonly<Record<string, unknown>>): Promise<RolloutView> {
    return this.#ask(`/v1/configs/${part(config)}/undo`, { method: 'POST', body });
  }

  apply(manifest: Readonly<Record<string, unknown>>, dryRun: boolean, reason?: string): Promise<ApplyResult> {
    const body = { manifests: [manifest], dryRun, ...(reason === undefined ? {} : { reason }) };
    return this.#ask('/v1/manifests', { method: 'POST', body });
  }

  preview(request: { config: string; revision: number; plan: string }): Promise<PlanPreview> {
    return this.#ask('/v1/plan-previews', { method: 'POST', body: request });
  }

  start(request: StartRequest): Promise<RolloutView> {
    return this.#ask('/v1/rollouts', { method: 'POST', body: request });
  }

  /** Opens the event stream: after this position, or from now on. Throws `RefusedError` when it is refused. */
  async stream(after: number | undefined, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const path = '/v1/events/stream?progress=true';
    const headers: Record<string, string> = { accept: 'text/event-stream', authorization: `Bearer ${this.#token}` };
    if (after !== undefined) headers['last-event-id'] = String(after);
    const response = await fetch(path, { headers, signal, cache: 'no-store' });
    if (!response.ok) throw await this.#refusal(response, path);
    if (!response.body) throw new UnreachableError();
    return response.body;
  }

  async #ask<T>(path: string, { method = 'GET', query = {}, body }: Asking = {}): Promise<T> {
    const headers: Record<string, string> = { accept: 'application/json', authorization: `Bearer ${this.#token}` };
    if (body !== undefined) headers['content-type'] = 'application/json';
    // A request that is repeated by the browser or by a proxy happens once.
    if (method === 'POST') headers['idempotency-key'] = onceKey();
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await this.#fetch(addressOf(path, query), { method, headers, ...sent });
    if (!response.ok) throw await this.#refusal(response, `${method} ${path}`);
    return (await response.json()) as T;
  }

  async #fetch(address: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(address, { ...init, cache: 'no-store' });
    } catch (cause) {
      throw new UnreachableError({ cause });
    }
  }

  async #refusal(response: Response, request: string): Promise<RefusedError> {
    const problem = await problemOf(response);
    if (problem.status === 401) this.#onUnknown(problem.detail);
    return new RefusedError(problem, request);
  }
}
