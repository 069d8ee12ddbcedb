import type { EventStore } from '#libs/kernel';
import type { PastEditions } from '../past.js';
import { LiveView } from '../queries/live-view.js';
import { PastNewsOf } from './past-news.js';
import type { Log } from './task-loop.js';

/** Events that are folded without a pause: some milliseconds. */
const PAGE = 200;
const RETRY_MS = 5_000;
/** Once all events are folded, the live edition is a moment ahead. */
const CATCH_UP_MS = 50;
/** An older version beside this one, or instead of it for a while, adds to the live edition what has to be made anew. */
const AGAIN_MS = 600_000;

export type PastRemakerOptions = {
  readonly store: Pick<EventStore, 'readAll'>;
  readonly editions: PastEditions;
  readonly fold: number;
  readonly log: Pick<Log, 'info'>;
  readonly report: (error: unknown) => void;
  /** How long after it was made it is looked whether it has to be again, in milliseconds. */
  readonly againMs?: number | undefined;
};

/**
 * Makes what is kept of the past anew where this build keeps it otherwise than it was kept: from the first event on, beside
 * the edition that answers questions meanwhile and follows the log. It takes half of the time of one core at most. Any
 * number of controllers may: they write the same.
 */
export class PastRemaker {
  readonly #options: PastRemakerOptions;
  #hasMade: () => void = () => undefined;
  readonly #made = new Promise<void>((resolve) => (this.#hasMade = resolve));
  #running: Promise<void> | undefined;
  #progress: number | undefined;
  #ending = false;
  #wake: () => void = () => undefined;

  constructor(options: PastRemakerOptions) {
    this.#options = options;
  }

  /** Begins if there is anything to make, and comes back at once. */
  start(): void {
    this.#running ??= this.#insist();
  }

  /** The event up to which it is made; undefined while nothing is. */
  get progress(): number | undefined {
    return this.#progress;
  }

  /** Resolves once all is made for the first time, or it was stopped. */
  async done(): Promise<void> {
    await Promise.race([this.#made, this.#running]);
  }

  async stop(): Promise<void> {
    this.#ending = true;
    this.#wake();
    await this.#running;
  }

  async #insist(): Promise<void> {
    while (!this.#ending) {
      try {
        await this.#make();
        this.#hasMade();
        await this.#rest(this.#options.againMs ?? AGAIN_MS);
      } catch (error) {
        this.#options.report(error);
        await this.#rest(RETRY_MS);
      }
    }
  }

  async #make(): Promise<void> {
    const { editions, fold, log } = this.#options;
    const from = await editions.begin(fold);
    if (from !== undefined) {
      log.info('What is kept of the past is made anew; questions are answered from what there is.', { from });
      const isLive = await this.#foldAll(from).finally(() => (this.#progress = undefined));
      if (isLive) log.info('What is kept of the past was made anew: questions are answered from that.');
      else if (!this.#ending) log.info('What is kept of the past is made anew by another controller.');
    }
    while (!this.#ending && (await editions.dropSome())) await this.#rest(10);
  }

  /**
   * All events are folded, since what one means depends on those before it; what was written before is not written again.
   * False: it was stopped, or given up.
   */
  async #foldAll(from: number): Promise<boolean> {
    const { store, editions, fold } = this.#options;
    const view = new LiveView();
    this.#progress = from;
    while (!this.#ending) {
      const started = performance.now();
      const events = await store.readAll({ after: view.position, limit: PAGE });
      const news = new PastNewsOf(view.position);
      for (const event of events) {
        view.apply(event);
        if (event.position > from) news.add(view, event);
      }
      const isNews = view.position > from && events.length > 0;
      if (isNews && !(await editions.write(fold, news.after, news.asNews(view.position)))) return false;
      this.#progress = Math.max(from, view.position);
      const isAll = events.length < PAGE;
      if (isAll && (await editions.goLive(fold))) return true;
      await this.#rest(Math.max(performance.now() - started, isAll ? CATCH_UP_MS : 0));
    }
    return false;
  }

  #rest(ms: number): Promise<void> {
    if (this.#ending) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
