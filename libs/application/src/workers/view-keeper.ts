import { UnfitSnapshotError, type ViewSnapshots } from '../ports.js';
import { LiveView } from '../queries/live-view.js';
import { packView, unpackView } from './packed-view.js';
import type { Log } from './task-loop.js';

/** So many events are folded by a start at least before it is worth to keep what they fold to. */
const EVERY = 20_000;
/** Of a long log a start folds this part at most, so that what is written stays in proportion to what is new. */
const PART = 1 / 32;
const REST_MS = 600_000;

export type ViewKeeperOptions = {
  readonly log: Pick<Log, 'info'>;
  /** Told of each failure; nothing else comes of them. */
  readonly report: (error: unknown) => void;
  /** Milliseconds, of a clock that never goes back. */
  readonly now: () => number;
  /** Events after which the view is written again, in a short log. */
  readonly every?: number;
  /** How long it is not written again at least, in milliseconds. */
  readonly restMs?: number;
};

/**
 * Writes the view down now and then, so that a start reads that and the rest of the log only. Any number of controllers
 * may; one at a time does. What was written is a cache: where it does not fit, all of the log is folded.
 */
export class ViewKeeper {
  readonly #snapshots: ViewSnapshots;
  readonly #options: ViewKeeperOptions;
  readonly #every: number;
  #kept = 0;
  #restsUntil = -Infinity;
  #writing: Promise<void> | undefined;
  #isClosed = false;

  constructor(snapshots: ViewSnapshots, options: ViewKeeperOptions) {
    this.#snapshots = snapshots;
    this.#options = options;
    this.#every = options.every ?? EVERY;
  }

  /** The view as it was kept, at `atMost` or before; an empty one where none was, or what was cannot be used. */
  async restore(atMost = Infinity): Promise<LiveView> {
    const { log, report } = this.#options;
    try {
      const view = await this.#snapshots.read(async (kept) => (kept.position > atMost ? undefined : unpackView(kept)));
      if (view === undefined) return new LiveView();
      this.#kept = Math.max(this.#kept, view.position);
      log.info('The log is folded on from where the view was kept.', { position: view.position });
      return view;
    } catch (error) {
      if (!(error instanceof UnfitSnapshotError)) report(error);
      const why = error instanceof Error ? error.message : String(error);
      log.info('The view that was kept is not used: the log is folded from its first event on.', { why });
      return new LiveView();
    }
  }

  /**
   * Keeps this view from now on. It is written only once `reached` resolves: once everything that follows the log has
   * come as far, so that a start needs no earlier events for that either.
   */
  follow(view: LiveView, reached: (position: number) => Promise<void>): void {
    const look = (): void => {
      const { now } = this.#options;
      if (this.#isClosed || this.#writing !== undefined || !this.#isDue(view.position) || now() < this.#restsUntil)
        return;
      this.#writing = this.#write(view, reached).finally(() => {
        this.#restsUntil = now() + (this.#options.restMs ?? REST_MS);
        this.#writing = undefined;
      });
    };
    view.onEvent(look);
    look();
  }

  /** Resolves once nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Leaves what is being written unwritten. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
  }

  #isDue(position: number): boolean {
    return position - this.#kept >= Math.max(this.#every, position * PART);
  }

  async #write(view: LiveView, reached: (position: number) => Promise<void>): Promise<void> {
    try {
      const { position, parts } = packView(view);
      await reached(position);
      await this.#snapshots.write(position, this.#unlessClosed(parts));
      this.#kept = position;
    } catch (error) {
      if (!this.#isClosed) this.#options.report(error);
    }
  }

  /** Whoever stops waits for one part at most. */
  *#unlessClosed(parts: Iterable<string>): Generator<string> {
    for (const part of parts) {
      if (this.#isClosed) throw new Error('This controller stops.');
      yield part;
    }
  }
}
