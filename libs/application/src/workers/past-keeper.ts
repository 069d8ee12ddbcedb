import type { EventStore, RecordedEvent } from '#libs/kernel';
import { PastBehindError, type PastWriter } from '../past.js';
import { LiveView } from '../queries/live-view.js';
import { PastNewsOf } from './past-news.js';

const PAGE = 2_000;
/** Rows that wait for the database; beyond that they are dropped and folded again from the log. */
const MOST_WAITING = 200_000;
const RETRY_MS = 1_000;
const LOOK_MS = 25;

export type PastKeeperOptions = {
  readonly kept: number;
  readonly report: (error: unknown) => void;
  readonly restore?: (atMost: number) => Promise<LiveView>;
  /** The shortest time between two writes, unless somebody waits for the next. Default 250. */
  readonly paceMs?: number;
};

/**
 * Keeps the past from the log on, behind it by a moment. Any number of controllers may: the same event adds the same
 * rows, and the checkpoint moves with them. What is missing, because it was never made or was emptied, is folded again
 * from the first event on, beside everything else.
 */
export class PastKeeper {
  readonly #view: LiveView;
  readonly #store: Pick<EventStore, 'readAll'>;
  readonly #writer: PastWriter;
  readonly #report: (error: unknown) => void;
  readonly #restore: (atMost: number) => Promise<LiveView>;
  readonly #paceMs: number;
  #waiting: PastNewsOf;
  #kept: number;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writtenAt = -Infinity;
  #isAwaited = false;
  #wake: () => void = () => undefined;
  #ending = false;

  /**
   * `kept`: how far the log is kept. `restore` gives a view of some position up to `atMost`, which spares folding those
   * events; by default an empty one. Made before the view follows the log, so that no event passes by.
   */
  constructor(
    view: LiveView,
    store: Pick<EventStore, 'readAll'>,
    writer: PastWriter,
    { kept, report, restore = () => Promise.resolve(new LiveView()), paceMs = 250 }: PastKeeperOptions,
  ) {
    this.#view = view;
    this.#store = store;
    this.#writer = writer;
    this.#report = report;
    this.#restore = restore;
    this.#kept = kept;
    this.#paceMs = paceMs;
    this.#waiting = new PastNewsOf(Math.max(kept, view.position));
    view.onEvent((event) => this.#take(event));
  }

  /** How far the log is kept, as far as this controller knows. */
  get position(): number {
    return this.#kept;
  }

  /** Resolves once the log is kept up to `position`, by any controller. Throws `PastBehindError` after `patienceMs`. */
  async reached(position: number, patienceMs = 5_000): Promise<void> {
    const latest = performance.now() + patienceMs;
    while (this.#kept < position) {
      if (performance.now() > latest)
        throw new PastBehindError(
          `What is kept of the past ends at position ${this.#kept} and goes on to ${position}: ask again in a moment.`,
        );
      this.#hurry();
      const look = new Promise<void>((resolve) => void setTimeout(resolve, LOOK_MS));
      await (this.#running === undefined ? look : Promise.race([this.#running, look]));
      if (this.#running === undefined) this.#kept = Math.max(this.#kept, await this.#writer.position());
    }
  }

  /** Folds whatever is missing, and comes back when all that is in the log now is kept. */
  async caughtUp(): Promise<void> {
    this.#ring();
    while (this.#running !== undefined) {
      this.#hurry();
      await this.#running;
    }
  }

  /** Writes what waits and ends. */
  async stop(): Promise<void> {
    this.#ending = true;
    clearTimeout(this.#timer);
    this.#hurry();
    await this.#running;
    if (this.#waiting.upTo > this.#kept && this.#waiting.after <= this.#kept)
      await this.#writer.write(this.#waiting.after, this.#waiting.asNews()).catch(this.#report);
  }

  /** Somebody waits for what is not written yet. */
  #hurry(): void {
    this.#isAwaited = true;
    this.#wake();
  }

  #take(event: RecordedEvent): void {
    if (event.position <= this.#kept) return;
    // What comes after a gap waits for the gap to be folded.
    if (this.#waiting.upTo !== event.position - 1 || this.#waiting.size > MOST_WAITING)
      this.#waiting = new PastNewsOf(event.position - 1);
    this.#waiting.add(this.#view, event);
    this.#ring();
  }

  #ring(): void {
    if (this.#ending || this.#running !== undefined) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#waiting.upTo > this.#kept && this.#timer === undefined) this.#ring();
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#gather();
      this.#isAwaited = false;
      const news = this.#waiting;
      this.#waiting = new PastNewsOf(news.upTo);
      const kept = await this.#writer.write(news.after, news.asNews());
      this.#kept = kept < news.after ? await this.#foldAgain(kept) : kept;
      this.#writtenAt = performance.now();
    } catch (error) {
      this.#report(error);
      // What was taken out is folded again: whether it was written is not known.
      this.#kept = Math.min(this.#kept, await this.#writer.position().catch(() => 0));
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#ring();
      }, RETRY_MS).unref();
    }
  }

  /**
   * Events that come in the same turn are written together, and after a write those of some time: else several controllers
   * would stand in line for each event.
   */
  async #gather(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const rest = this.#writtenAt + this.#paceMs - performance.now();
    if (rest <= 0 || this.#ending || this.#isAwaited) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, rest);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** From the first event on or from a view that was kept, since what an event means depends on those before it. */
  async #foldAgain(from: number): Promise<number> {
    const view = await this.#restore(from);
    let kept = from;
    while (!this.#ending && view.position < this.#view.position) {
      const news = new PastNewsOf(view.position);
      const page = await this.#store.readAll({ after: view.position, limit: PAGE });
      for (const event of page) {
        view.apply(event);
        if (event.position > kept) news.add(view, event);
      }
      if (page.length === 0) break;
      if (view.position > kept) kept = await this.#writer.write(Math.max(news.after, 0), news.asNews(view.position));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return kept;
  }
}
