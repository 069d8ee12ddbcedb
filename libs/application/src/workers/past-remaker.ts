import type { EventStore } from '#libs/kernel';
import type { PastEditions } from '../past.js';
import { LiveView } from '../queries/live-view.js';
import { PastNewsOf } from './past-news.js';
import type { Log } from './task-loop.js';

/** Events that are folded without a pause: some milliseconds. */
const PAGE = 200;
const RETRY_MS = 5_000;

export type PastRemakerOptions = {
  readonly store: Pick<EventStore, 'readAll'>;
  readonly editions: PastEditions;
  readonly fold: number;
  readonly log: Pick<Log, 'info'>;
  readonly report: (error: unknown) => void;
};

/**
 * Makes what is kept of the past anew where this build keeps it otherwise than it was kept: from the first event on, beside
 * the edition that answers questions meanwhile and follows the log. It takes half of the time of one core at most. Any
 * number of controllers may: they write the same.
 */
export class PastRemaker {
  readonly #options: PastRemakerOptions;
  #running: Promise<void> | undefined;
  #ending = false;
  #wake: () => void = () => undefined;

  constructor(options: PastRemakerOptions) {
    this.#options = options;
  }

  /** Begins if there is anything to make, and comes back at once. */
  start(): void {
    this.#running ??= this.#insist();
  }

  /** Resolves once all is made, or it was stopped. */
  async done(): Promise<void> {
    await this.#running;
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
        return;
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
      await this.#foldAll(from);
      if (!this.#ending) log.info('What is kept of the past is made anew: questions are answered from that.');
    }
    while (!this.#ending && (await editions.dropSome())) await this.#rest(10);
  }

  /** All events are folded, since what one means depends on those before it; what was written before is not written again. */
  async #foldAll(from: number): Promise<void> {
    const { store, editions, fold } = this.#options;
    const view = new LiveView();
    while (!this.#ending) {
      const started = performance.now();
      const events = await store.readAll({ after: view.position, limit: PAGE });
      const news = new PastNewsOf(view.position);
      for (const event of events) {
        view.apply(event);
        if (event.position > from) news.add(view, event);
      }
      if (view.position > from && events.length > 0 && !(await editions.write(fold, news.asNews(view.position))))
        return;
      if (events.length < PAGE && (await editions.goLive(fold))) return;
      await this.#rest(performance.now() - started);
    }
  }

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
