import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import {
  ApplyResult,
  AtView,
  ConfigView,
  CreatedHook,
  CreatedToken,
  EventList,
  EvidenceView,
  ExposedView,
  HookList,
  HookView,
  LogHead,
  LogKeys,
  LookList,
  OpenChanges,
  OutcomeReceipt,
  PlanPreview,
  RolloutList,
  RolloutView,
  SourceList,
  TargetView,
  TokenView,
} from '#libs/contracts';
import type {
  AbandonRequest,
  Acknowledgement,
  ApplyRequest,
  CreateHookRequest,
  CreateTokenRequest,
  EventView,
  OutcomeBatch,
  PauseRequest,
  PlanRequest,
  PromoteRequest,
  RolloutStatus,
  SourceView,
  StartRolloutRequest,
  UndoRequest,
} from '#libs/contracts';
import { Transport } from './transport.js';
import type { TransportOptions } from './transport.js';

const Configs = z.object({ items: z.array(ConfigView) });
const Targets = z.object({ items: z.array(TargetView) });
const Tokens = z.object({ items: z.array(TokenView) });

export type ExportFormat = 'ndjson' | 'csv' | 'cloudevents';
export type RolloutCommand = 'pause' | 'resume' | 'promote' | 'abort';

/** Which rollouts; `status` and `config` must both fit. */
export interface RolloutFilter {
  readonly status?: RolloutStatus | undefined;
  readonly config?: string | undefined;
}

/** Which events; all that are given must fit. */
export interface EventFilter {
  readonly rollout?: string | undefined;
  readonly config?: string | undefined;
  readonly target?: string | undefined;
  readonly platform?: string | undefined;
  readonly stream?: string | undefined;
  readonly type?: string | undefined;
  /** Name of who did it. */
  readonly actor?: string | undefined;
  /** Words in the summary, the reason or the name. */
  readonly q?: string | undefined;
  /** Recorded at or after this time (ISO), and before that one. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** Makes a repetition harmless, and refuses to act on a state that is not the one that was looked at. */
export interface WriteOptions {
  /** One key for one intention; by default a new one for each call. */
  readonly idempotencyKey?: string | undefined;
  /** The version of the rollout that must still hold (412 `stale-version` otherwise). */
  readonly ifVersion?: number | undefined;
}

/** A moment, as ISO time or as global position, and which targets. */
export interface AtQuery {
  readonly time?: string | undefined;
  readonly position?: number | undefined;
  readonly target?: string | undefined;
  readonly platform?: string | undefined;
  readonly config?: string | undefined;
  /** Only what was recorded up to this time (ISO). */
  readonly asKnownAt?: string | undefined;
  /** Each instance by itself as well. */
  readonly instances?: 'true' | undefined;
}

/** Which open changes; the time is ISO, and now by default. */
export interface OpenQuery {
  readonly at?: string | undefined;
  readonly target?: string | undefined;
  readonly platform?: string | undefined;
  readonly config?: string | undefined;
  readonly lookBackHours?: number | undefined;
}

type EventPage = z.output<typeof EventList>;

const PAGE = 200;
const PACK_TIMEOUT_MS = 120_000;
const at = encodeURIComponent;

/**
 * The HTTP API of a controller, typed by the contracts. Requests are repeated after network failures and 502, 503, 504;
 * a write carries one `Idempotency-Key` through all its attempts.
 * Throws `ProblemError` when refused, `UnreachableError` without an answer, `ReplyError` for an answer off the contract.
 */
export class HeadgateClient {
  readonly #transport: Transport;

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
  }

  /** Base URL, without a slash at its end. */
  get url(): string {
    return this.#transport.url;
  }

  apply(body: z.input<typeof ApplyRequest>, options?: WriteOptions): Promise<ApplyResult> {
    return this.#write('/v1/manifests', body, ApplyResult, options);
  }

  async configs(): Promise<readonly ConfigView[]> {
    return (await this.#read('/v1/configs', {}, Configs)).items;
  }

  /** Keys: `router.context`, `signal/NAME`, `plan/NAME`. */
  config(key: string): Promise<ConfigView> {
    return this.#read(`/v1/configs/${at(key)}`, {}, ConfigView);
  }

  async targets(): Promise<readonly TargetView[]> {
    return (await this.#read('/v1/targets', {}, Targets)).items;
  }

  target(name: string): Promise<TargetView> {
    return this.#read(`/v1/targets/${at(name)}`, {}, TargetView);
  }

  async sources(): Promise<readonly SourceView[]> {
    return (await this.#read('/v1/sources', {}, SourceList)).items;
  }

  /** What a rollout would do; nothing is written. */
  preview(body: z.input<typeof PlanRequest>): Promise<PlanPreview> {
    return this.#write('/v1/plan-previews', body, PlanPreview);
  }

  start(body: z.input<typeof StartRolloutRequest>, options?: WriteOptions): Promise<RolloutView> {
    return this.#write('/v1/rollouts', body, RolloutView, options);
  }

  rollout(id: string): Promise<RolloutView> {
    return this.#read(`/v1/rollouts/${at(id)}`, {}, RolloutView);
  }

  /** What the verdicts of a rollout rest on; `signal`: only this one. */
  evidence(id: string, signal?: string): Promise<EvidenceView> {
    return this.#read(`/v1/rollouts/${at(id)}/evidence`, { signal }, EvidenceView);
  }

  /** Who was exposed to the candidate of a rollout, or to a revision by all its rollouts. `exact` takes a reason. */
  exposed(
    of: { readonly rollout: string } | { readonly config: string; readonly revision: number },
    { exact, reason }: { readonly exact: boolean; readonly reason?: string | undefined },
  ): Promise<ExposedView> {
    const query = exact ? { exact: 'true', reason } : {};
    return 'rollout' in of
      ? this.#read(`/v1/rollouts/${at(of.rollout)}/exposed`, query, ExposedView)
      : this.#read('/v1/exposed', { ...of, ...query }, ExposedView);
  }

  /** The looks of a rollout as they were folded, page by page. */
  async *allLooks(id: string): AsyncGenerator<LookList['items'][number]> {
    let after: number | null = 0;
    while (after !== null) {
      const page: LookList = await this.#read(`/v1/rollouts/${at(id)}/looks`, { after }, LookList);
      yield* page.items;
      after = page.next;
    }
  }

  rollouts(filter: RolloutFilter = {}, page: { limit?: number; cursor?: string | undefined } = {}) {
    return this.#read('/v1/rollouts', { ...filter, limit: page.limit ?? PAGE, cursor: page.cursor }, RolloutList);
  }

  /** All rollouts that fit, page by page. */
  async *allRollouts(filter: RolloutFilter = {}): AsyncGenerator<RolloutView> {
    let cursor: string | undefined;
    do {
      const page = await this.rollouts(filter, { cursor });
      yield* page.items;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Pauses, resumes, promotes (one `track` or all) or aborts a rollout. */
  command(
    id: string,
    command: RolloutCommand,
    body: z.input<typeof PauseRequest> | z.input<typeof PromoteRequest>,
    options?: WriteOptions,
  ): Promise<RolloutView> {
    return this.#write(`/v1/rollouts/${at(id)}/${command}`, body, RolloutView, options);
  }

  /** Gives up on a target that the rollback of a rollout cannot reach or see drained. */
  abandon(id: string, body: z.input<typeof AbandonRequest>, options?: WriteOptions): Promise<RolloutView> {
    return this.#write(`/v1/rollouts/${at(id)}/abandon`, body, RolloutView, options);
  }

  /** Takes a revision back, everywhere at once: the one that is live, unless `revision` names another. */
  undo(config: string, body: z.input<typeof UndoRequest>, options?: WriteOptions): Promise<RolloutView> {
    return this.#write(`/v1/configs/${at(config)}/undo`, body, RolloutView, options);
  }

  /** One page of events after a position, oldest first. */
  events(filter: EventFilter = {}, page: { after?: number | undefined; limit?: number } = {}) {
    return this.#read('/v1/events', { ...filter, after: page.after, limit: page.limit ?? PAGE }, EventList);
  }

  /** All events after a position, oldest first, page by page. */
  async *allEvents(filter: EventFilter = {}, after = 0): AsyncGenerator<EventView> {
    for (let cursor: string | null = String(after); cursor !== null;) {
      const page: EventPage = await this.events(filter, { after: Number(cursor) });
      yield* page.items;
      cursor = page.nextCursor;
    }
  }

  /** All events that fit, newest first, page by page, not beyond the position `after`. */
  async *newestEvents(filter: EventFilter = {}, after?: number): AsyncGenerator<EventView> {
    let cursor: string | undefined;
    do {
      const query = { ...filter, after, cursor, order: 'newest', limit: PAGE };
      const page: EventPage = await this.#read('/v1/events', query, EventList);
      yield* page.items;
      cursor = page.nextCursor ?? undefined;
    } while (cursor !== undefined);
  }

  /** Opens the event stream after a position; the caller parses and reconnects (see `follow`). */
  openEventStream(filter: EventFilter, after: number, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    return this.#transport.open('/v1/events/stream', { ...filter }, { 'last-event-id': String(after) }, signal);
  }

  /** The newest signed head of the log. */
  logHead(): Promise<LogHead> {
    return this.#read('/v1/log/head', {}, LogHead);
  }

  /** The public keys that sign the log, in the order in which they took over. */
  async logKeys(): Promise<LogKeys['items']> {
    return (await this.#read('/v1/log/keys', {}, LogKeys)).items;
  }

  /** All events after a position, one a line: their exact bytes, as CSV, or as CloudEvents. */
  exportLog(after: number, signal: AbortSignal, format: ExportFormat = 'ndjson'): Promise<ReadableStream<Uint8Array>> {
    const wanted = { type: format === 'csv' ? 'text/csv' : 'application/x-ndjson', what: 'an export' };
    return this.#transport.open('/v1/log/export', { after, format }, {}, signal, wanted);
  }

  /** The archive of an evidence pack of a rollout. */
  async pack(id: string): Promise<ArrayBuffer> {
    const wanted = { type: 'application/zip', what: 'an evidence pack' };
    const signal = AbortSignal.timeout(PACK_TIMEOUT_MS);
    const body = await this.#transport.open(`/v1/rollouts/${at(id)}/pack`, {}, {}, signal, wanted);
    return new Response(body).arrayBuffer();
  }

  at(query: AtQuery): Promise<AtView> {
    return this.#read('/v1/at', { ...query }, AtView);
  }

  /** What was in flight, watched, or had lately ended at a moment. */
  openChanges(query: OpenQuery): Promise<OpenChanges> {
    return this.#read('/v1/changes/open', { ...query }, OpenChanges);
  }

  /** The batch's own id makes a repetition harmless. */
  sendOutcomes(batch: z.input<typeof OutcomeBatch>): Promise<OutcomeReceipt> {
    return this.#transport.send({ method: 'POST', path: '/v1/outcomes', body: batch }, OutcomeReceipt);
  }

  async acknowledge(target: string, instance: string, body: z.input<typeof Acknowledgement>): Promise<void> {
    const path = `/v1/targets/${at(target)}/instances/${at(instance)}`;
    await this.#transport.send({ method: 'PUT', path, body }, z.undefined());
  }

  createToken(
    body: z.input<typeof CreateTokenRequest>,
    options?: WriteOptions,
  ): Promise<z.output<typeof CreatedToken>> {
    return this.#write('/v1/tokens', body, CreatedToken, options);
  }

  async tokens(): Promise<readonly z.output<typeof TokenView>[]> {
    return (await this.#read('/v1/tokens', {}, Tokens)).items;
  }

  /** Throws `ProblemError` when there is no such token. */
  async revokeToken(id: string): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: `/v1/tokens/${at(id)}` }, z.unknown());
  }

  addHook(body: z.input<typeof CreateHookRequest>, options?: WriteOptions): Promise<CreatedHook> {
    return this.#write('/v1/hooks', body, CreatedHook, options);
  }

  async hooks(): Promise<readonly HookView[]> {
    return (await this.#read('/v1/hooks', {}, HookList)).items;
  }

  /** Sends what was given up again, or to a disabled hook. */
  resumeHook(id: string, options?: WriteOptions): Promise<HookView> {
    return this.#write(`/v1/hooks/${at(id)}/resume`, {}, HookView, options);
  }

  /** Throws `ProblemError` when there is no such hook. */
  async removeHook(id: string): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: `/v1/hooks/${at(id)}` }, z.unknown());
  }

  #read<T>(
    path: string,
    query: Readonly<Record<string, string | number | undefined>>,
    reply: z.ZodType<T>,
  ): Promise<T> {
    return this.#transport.send({ method: 'GET', path, query }, reply);
  }

  #write<T>(path: string, body: unknown, reply: z.ZodType<T>, options: WriteOptions = {}): Promise<T> {
    const headers: Record<string, string> = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
    if (options.ifVersion !== undefined) headers['if-match'] = `"${options.ifVersion}"`;
    return this.#transport.send({ method: 'POST', path, body, headers }, reply);
  }
}
