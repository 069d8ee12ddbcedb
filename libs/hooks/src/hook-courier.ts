import type { EventStore, RecordedEvent } from '#libs/kernel';
import { send, type Answer } from './send.js';
import type { PostgresHookStore, Progress, Waiting } from './hook-store.js';

const PAGE = 500;
/** A receiver that is away for long leaves the rest in the log. */
const MOST_WAITING = 1_000;
/** No attempt starts later than this in a turn, so that a turn ends within its lease. */
const TURN_MS = 8_000;
const ANSWER_MS = 10_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 900_000;
/** A receiver may ask for no longer pause than this. */
const LONGEST_ASKED_MS = 3_600_000;

/** Where events go, as it is registered now. */
export type HookAddress = {
  readonly hook: string;
  readonly url: string;
  readonly secret: string;
  /** Positions of the events that added it, and that resumed it last. */
  readonly addedAt: number;
  readonly resumedAt: number;
};

export type HookCourierOptions = {
  readonly store: PostgresHookStore;
  readonly log: Pick<EventStore, 'readAll'>;
  /** How far events may be read: what tells of them knows no more. */
  readonly readable: () => number;
  /** The text that tells a hook of an event; undefined where it did not ask for it. */
  readonly tell: (hook: string, event: RecordedEvent) => string | undefined;
  readonly now: () => number;
  /** From 0 up to 1: spreads attempts of several hooks. */
  readonly chance: () => number;
  /** Whether receivers may be on this machine. */
  readonly mayLoop: boolean;
  /** After this an event that cannot be delivered is given up, in milliseconds. */
  readonly giveUpMs: number;
};

/** `nextAt`: when something is to be tried again; null: nothing waits. */
export type Turn = { readonly kind: 'done'; readonly nextAt: number | null } | { readonly kind: 'gone' };

/**
 * Sends events of the log to hooks, each at least once: what is to be sent is kept together with how far the log was
 * read for it, and goes only when the receiver has answered. Events of one stream go one after the other; one that cannot
 * be delivered keeps only those of its own stream waiting.
 */
export class HookCourier {
  #stopped = false;

  constructor(private readonly options: HookCourierOptions) {}

  /** Ends the turns under way after the attempts that are. */
  stop(): void {
    this.#stopped = true;
  }

  async turn(address: HookAddress): Promise<Turn> {
    const { store, now } = this.options;
    const end = now() + TURN_MS;
    const progress = await store.progress(address.hook, address.addedAt);
    if (progress.resumed < address.resumedAt) await store.revive(address.hook, address.resumedAt, now());
    const isReadOut = await this.#read(address.hook, progress);
    const heads = await store.heads(address.hook);
    const due = heads.filter(({ readyAt }) => readyAt <= now());
    const ends = await Promise.all(due.map((head) => this.#lane(address, head, end)));
    if (ends.includes('gone')) return { kind: 'gone' };
    const left = await store.heads(address.hook);
    const nextAt = Math.min(...left.map(({ readyAt }) => readyAt), isReadOut ? Number.POSITIVE_INFINITY : now());
    return { kind: 'done', nextAt: Number.isFinite(nextAt) ? nextAt : null };
  }

  /** Puts in what the log has for it. False when there may be more than can wait. */
  async #read(hook: string, { readTo, waiting }: Progress): Promise<boolean> {
    const { store, log, readable, tell, now } = this.options;
    let from = readTo;
    let queued = waiting;
    while (from < readable() && !this.#stopped) {
      // It goes on as soon as some are delivered; until then only retries have a time.
      if (queued >= MOST_WAITING) return waiting >= MOST_WAITING;
      const head = readable();
      const page = (await log.readAll({ after: from, limit: PAGE })).filter(({ position }) => position <= head);
      const to = page.at(-1)?.position;
      if (to === undefined) return true;
      const told = page.flatMap((event) => {
        const body = tell(hook, event);
        return body === undefined
          ? []
          : [{ position: event.position, lane: event.streamId, eventId: event.eventId, body }];
      });
      if (!(await store.queue(hook, { from, to, now: now() }, told))) return true;
      from = to;
      queued += told.length;
    }
    return true;
  }

  async #lane(address: HookAddress, first: Waiting, end: number): Promise<'gone' | 'rest'> {
    const { store, now, mayLoop } = this.options;
    const { hook, url, secret } = address;
    for (let next: Waiting | undefined = first; next !== undefined;) {
      if (this.#stopped || now() > end) return 'rest';
      const { eventId: id, body } = next;
      const answer = await send({ url, secret, id, body, nowMs: now(), timeoutMs: ANSWER_MS, mayLoop });
      if (answer.kind === 'gone') return 'gone';
      if (answer.kind === 'failed') {
        await store.failed(hook, next.position, answer.words, this.#nextTry(next, answer));
        return 'rest';
      }
      next = await store.delivered(hook, next, now());
    }
    return 'rest';
  }

  /** When an event is tried again: after pauses that double, a little more or less; null: it is given up. */
  #nextTry({ attempts, queuedAt }: Waiting, answer: Extract<Answer, { kind: 'failed' }>): number | null {
    const { now, chance, giveUpMs } = this.options;
    if (now() - queuedAt >= giveUpMs) return null;
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts, 20), LONGEST_PAUSE_MS) * (0.8 + 0.4 * chance());
    return Math.round(now() + Math.max(pause, Math.min(answer.retryAfterMs ?? 0, LONGEST_ASKED_MS)));
  }
}
