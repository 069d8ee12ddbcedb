import type {
  ApplyResult,
  AtView,
  BoardView,
  ConfigView,
  EventView,
  EvidenceView,
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

  at(moment: { readonly position?: number; readonly time?: string }): Promise<AtView> {
    return this.#ask('/v1/at', { query: moment });
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
    if (method === 'POST') headers['idempotency-key'] = crypto.randomUUID();
    const init = { method, headers, cache: 'no-store' as const };
    const sent = body === undefined ? init : { ...init, body: JSON.stringify(body) };
    const response = await fetch(addressOf(path, query), sent).catch((cause: unknown) => {
      throw new UnreachableError({ cause });
    });
    if (!response.ok) throw await this.#refusal(response, `${method} ${path}`);
    return (await response.json()) as T;
  }

  async #refusal(response: Response, request: string): Promise<RefusedError> {
    const problem = await problemOf(response);
    if (problem.status === 401) this.#onUnknown(problem.detail);
    return new RefusedError(problem, request);
  }
}
