import type { Rollout } from '#libs/domain';
import type { Snapshots } from '../ports.js';
import type { Folded } from './folded.js';
import { packFolded, unpackFolded } from './snapshot.js';

/** So many cells are folded before a fold is written again: folding them anew takes about 10 ms. */
const WRITE_AFTER = 1_000;
/** More would be in the way of looks. */
const BYTES_PER_SECOND = 6_000_000;

export type KeeperOptions = {
  /** Told of the first of failures in a row. Nothing else comes of them: what is not written is folded again. */
  readonly onError: (error: unknown) => void;
  /** Cells folded before a fold is written again. */
  readonly writeAfter?: number;
  /** Written at most, all folds together. */
  readonly bytesPerSecond?: number;
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms).unref());

/**
 * Writes folds down now and then, one after the other, so that nobody has to fold all looks again. They are a cache and
 * nothing more.
 */
export class SnapshotKeeper {
  readonly #snapshots: Snapshots;
  readonly #options: KeeperOptions;
  /** Rollout → its fold, which is written as it stands when its turn comes. */
  readonly #due = new Map<string, Folded>();
  #written: Promise<unknown> = Promise.resolve();
  #isWriting = false;
  #isFailing = false;
  #isClosed = false;

  constructor(snapshots: Snapshots, options: KeeperOptions) {
    this.#snapshots = snapshots;
    this.#options = options;
  }

  /** The snapshot of a rollout if folding can go on from it: one that fits, and not after look `newest`. */
  async read(rollout: Rollout, newest: number): Promise<Folded | undefined> {
    return this.#attempt(async () => {
      const bytes = await this.#snapshots.read(rollout.id);
      return bytes && unpackFolded(rollout, bytes, newest);
    });
  }

  /** Has the fold written down if much has been folded since the last time. Returns at once and never fails. */
  offer(rollout: string, folded: Folded): void {
    const { writeAfter = WRITE_AFTER } = this.#options;
    if (folded.unwritten < writeAfter || this.#isClosed) return;
    this.#due.set(rollout, folded);
    if (!this.#isWriting) void this.#writeDue();
  }

  /** Removes the snapshot of a rollout that is over. */
  async forget(rollout: string): Promise<void> {
    this.#due.delete(rollout);
    await this.#written;
    await this.#snapshots.remove(rollout);
  }

  /** Leaves what is due unwritten. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#due.clear();
    await this.#written;
  }

  async #writeDue(): Promise<void> {
    const { bytesPerSecond = BYTES_PER_SECOND } = this.#options;
    this.#isWriting = true;
    for (let [next] = this.#due; next !== undefined; [next] = this.#due) {
      const [rollout, folded] = next;
      this.#due.delete(rollout);
      const written = this.#attempt(() => this.#write(rollout, folded));
      this.#written = written;
      const ms = (((await written) ?? 0) * 1_000) / bytesPerSecond;
      if (ms > 0) await pause(ms);
    }
    this.#isWriting = false;
  }

  /** Gives the number of bytes. */
  async #write(rollout: string, folded: Folded): Promise<number> {
    folded.unwritten = 0;
    const bytes = packFolded(folded);
    await this.#snapshots.write(rollout, folded.look, bytes);
    return bytes.length;
  }

  async #attempt<T>(what: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await what();
      this.#isFailing = false;
      return result;
    } catch (error) {
      if (!this.#isFailing) this.#options.onError(error);
      this.#isFailing = true;
      return undefined;
    }
  }
}
