import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';
import { Bell } from './bell.js';

/** Brings hints from other processes. Any of them may be lost: whoever listens polls as well. */
export type Doorbell = {
  /** Returns a function that unsubscribes. */
  readonly listen: (channel: string, listener: (payload: string) => void) => () => void;
  /** The number under which this process is marked as alive in the database; undefined while it is not connected. */
  readonly present?: () => number | undefined;
};

/** First key of the advisory locks by which processes show that they are alive; the second key is the process' mark. */
export const PRESENCE = 0x4865_6164;
const MOST_MARK = 0x7fff_ffff;
/** How often a process says that it lives, and after how long without a word the server takes it for dead, in milliseconds. */
const BEAT_MS = 2_000;
const MOST_SILENCE_MS = 8_000;

export type PostgresDoorbellOptions = {
  readonly url: string;
  /** Between attempts to connect again, in milliseconds. Default 500. */
  readonly retryMs?: number;
  /** Told each time the connection breaks or cannot be made. */
  readonly onError?: (error: unknown) => void;
};

/**
 * LISTEN on one connection of its own, made anew whenever it breaks. After each connection every channel rings once,
 * for what was missed meanwhile, with an empty payload.
 */
export class PostgresDoorbell implements Doorbell {
  readonly #bells = new Map<string, Bell<string>>();
  readonly #stop = new AbortController();
  #client: Client | undefined;
  #running: Promise<void> | undefined;
  #mark = randomInt(1, MOST_MARK);
  #present = false;

  constructor(private readonly options: PostgresDoorbellOptions) {}

  listen(channel: string, listener: (payload: string) => void): () => void {
    const bell = this.#bells.get(channel);
    if (bell !== undefined) return bell.listen(listener);
    const made = new Bell<string>();
    this.#bells.set(channel, made);
    this.#client?.query(`listen ${escapeIdentifier(channel)}`).catch((error: unknown) => this.options.onError?.(error));
    return made.listen(listener);
  }

  /**
   * The mark is an advisory lock of the listening connection: the server lets go of it when this process ends, is frozen,
   * or cannot be reached.
   */
  readonly present = (): number | undefined => (this.#present ? this.#mark : undefined);

  /** Starts listening in the background; resolves at once. Does not keep the process alive by itself. */
  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#client?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.#listenUntilBroken();
      } catch (error) {
        if (!signal.aborted) this.options.onError?.(error);
      }
      this.#client = undefined;
      this.#present = false;
      if (!signal.aborted)
        await sleep(this.options.retryMs ?? 500, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  /** Another process, or our own broken connection, may hold the mark: then we take another. */
  async #showPresence(client: Client): Promise<void> {
    for (;;) {
      const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1, $2) as taken', [
        PRESENCE,
        this.#mark,
      ]);
      if (rows[0]?.taken === true) break;
      this.#mark = randomInt(1, MOST_MARK);
    }
    this.#present = true;
  }

  async #listenUntilBroken(): Promise<void> {
    const client = new Client({
      connectionString: this.options.url,
      application_name: 'headgate-doorbell',
      keepAlive: true,
    });
    const ended = new Promise<void>((resolve, reject) => {
      client.once('error', reject);
      client.once('end', resolve);
    });
    // Until it is awaited below, a broken connection is reported by whatever else fails.
    ended.catch(() => undefined);
    client.on('notification', ({ channel, payload }) => this.#bells.get(channel)?.ring(payload ?? ''));
    await client.connect();
    this.#client = client;
    const beat = setInterval(() => client.query('select').catch(() => undefined), BEAT_MS).unref();
    try {
      await client.query(`set idle_session_timeout = ${MOST_SILENCE_MS}`);
      await this.#showPresence(client);
      for (const channel of this.#bells.keys()) await client.query(`listen ${escapeIdentifier(channel)}`);
      for (const bell of this.#bells.values()) bell.ring('');
      if (!this.#stop.signal.aborted) await ended;
    } finally {
      clearInterval(beat);
      await client.end();
    }
  }
}
