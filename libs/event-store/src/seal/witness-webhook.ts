import { createHash, createHmac } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'pg';
import { readHeads, readLeaves } from './tree-store.js';
import { LINE_LEAVES, witnessJson, type WitnessLine } from './witness-line.js';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const ANSWER_MS = 10_000;
const HEADS = 100;

export type WebhookOptions = {
  readonly url: string;
  /** Of Standard Webhooks: `whsec_` and the key in base64. */
  readonly secret: string;
  readonly pool: Pool;
  readonly now: () => number;
  /** Told of each delivery that failed, with the time until the next attempt. */
  readonly onError: (error: unknown, pauseMs: number) => void;
  /** Between attempts after a failure, in milliseconds; it doubles up to a minute. Default 1000. */
  readonly pauseMs?: number;
};

/** The key of a Standard Webhooks secret; undefined for what is none. */
export const webhookKey = (secret: string): Buffer | undefined => {
  const [, base64] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret) ?? [];
  const key = Buffer.from(base64 ?? '', 'base64');
  return key.length >= 24 && key.length <= 64 ? key : undefined;
};

/** The signature of a message by Standard Webhooks: HMAC-SHA256 of id, time in seconds, and body. */
export const webhookSignature = (key: Buffer, id: string, seconds: number, body: string): string =>
  `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;

/**
 * A witness behind a webhook: told of each head in order, with the leaves that it adds, until it answers with success;
 * how far it has been told is kept in the database. It keeps nobody waiting.
 */
export class WitnessWebhook {
  readonly #key: Buffer;
  #stop = new AbortController();
  #running: Promise<void> | undefined;
  #rung: (() => void) | undefined;
  #trouble: string | undefined;

  constructor(private readonly options: WebhookOptions) {
    const key = webhookKey(options.secret);
    if (key === undefined) throw new Error('The secret of a webhook is whsec_ and 24 to 64 bytes in base64.');
    this.#key = key;
  }

  /** Why it could not be told lately; undefined when it could. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** There may be a new head. */
  ring(): void {
    this.#rung?.();
  }

  /** Ends deliveries; the next `start` goes on from the last one that was answered. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#rung?.();
    await this.#running;
    this.#running = undefined;
    this.#stop = new AbortController();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const first = this.options.pauseMs ?? FIRST_PAUSE_MS;
    let pause = first;
    while (!signal.aborted) {
      try {
        await this.#deliverAll(signal);
        this.#trouble = undefined;
        pause = first;
        await this.#nextRing(signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#trouble = error instanceof Error ? error.message : String(error);
        this.options.onError(error, pause);
        await sleep(pause, undefined, { signal, ref: false }).catch(() => undefined);
        pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
      }
    }
  }

  async #nextRing(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LONGEST_PAUSE_MS);
      timer.unref();
      this.#rung = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#rung = undefined;
  }

  get #name(): string {
    return `webhook ${createHash('sha256').update(this.options.url).digest('hex').slice(0, 16)}`;
  }

  async #told(): Promise<number> {
    const { rows } = await this.options.pool.query<{ size: number | string }>(
      'select size from event_store.witness_progress where witness = $1',
      [this.#name],
    );
    return Number(rows[0]?.size ?? 0);
  }

  async #deliverAll(signal: AbortSignal): Promise<void> {
    const { pool, now } = this.options;
    for (let told = await this.#told(); !signal.aborted;) {
      const heads = await readHeads(pool, told, HEADS);
      for (const head of heads) {
        for (let after = told; after < head.size; after = Math.min(after + LINE_LEAVES, head.size)) {
          const leaves = Buffer.concat(await readLeaves(pool, after, Math.min(LINE_LEAVES, head.size - after)));
          const isLast = after + LINE_LEAVES >= head.size;
          await this.#deliver(isLast ? { after, leaves, head } : { after, leaves }, head.origin, signal);
        }
        told = head.size;
        await pool.query(
          `insert into event_store.witness_progress (witness, size, told_at) values ($1, $2, $3)
           on conflict (witness) do update set size = excluded.size, told_at = excluded.told_at`,
          [this.#name, told, new Date(now())],
        );
      }
      if (heads.length < HEADS) return;
    }
  }

  /** The same line has the same id, so that a receiver can tell a repetition. */
  async #deliver(line: WitnessLine, origin: string, signal: AbortSignal): Promise<void> {
    const { url, now } = this.options;
    const kind = line.head === undefined ? 'leaves' : 'head';
    const id = `${kind}-${createHash('sha256')
      .update(JSON.stringify([origin, witnessJson(line)]))
      .digest('hex')
      .slice(0, 32)}`;
    const time = now();
    const seconds = Math.floor(time / 1_000);
    const timestamp = new Date(time).toISOString();
    const body = JSON.stringify({ type: 'log.tree_head', timestamp, data: witnessJson(line) });
    // Held by a timer and a controller of its own: what AbortSignal.any joins may be collected in Node 20 before it fires.
    const late = new AbortController();
    const give = (): void => late.abort(signal.reason);
    const timer = setTimeout(give, ANSWER_MS);
    signal.addEventListener('abort', give, { once: true });
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': webhookSignature(this.#key, id, seconds, body),
      },
      body,
      redirect: 'error',
      signal: late.signal,
    }).finally(() => {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`The witness answered with ${response.status}.`);
  }
}
