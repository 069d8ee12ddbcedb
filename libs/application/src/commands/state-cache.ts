import type { RecordedEvent } from '#libs/kernel';
import { asHeadgateEvent, type HeadgateEvent, type Recorded } from '#libs/domain';

/** A stream folded up to a version. */
export type Loaded<S> = { readonly state: S; readonly version: number };

/** How a decider folds; two deciders of one stream are told apart by identity. */
export type Folding<S, E extends HeadgateEvent> = {
  readonly initial: S;
  readonly evolve: (state: S, event: Recorded<E>) => S;
};

type Entry = {
  readonly folding: object;
  readonly loaded: Loaded<unknown>;
  readonly fold: (event: RecordedEvent) => Entry;
};

const entryOf = <S, E extends HeadgateEvent>(folding: Folding<S, E>, loaded: Loaded<S>): Entry => ({
  folding,
  loaded,
  fold: (event) =>
    entryOf(folding, {
      state: folding.evolve(loaded.state, asHeadgateEvent(event) as Recorded<E>),
      version: event.streamVersion,
    }),
});

/** Streams kept; the one used longest ago goes first. */
const MOST_STREAMS = 1_000;

/**
 * Folded streams as this process knows them. An entry may be behind the log: whoever decides on one lets the append
 * check its version.
 */
export class StateCache {
  readonly #entries = new Map<string, Entry>();

  /** The newest known fold of a stream by this decider. */
  find<S, E extends HeadgateEvent>(streamId: string, folding: Folding<S, E>): Loaded<S> | undefined {
    const entry = this.#entries.get(streamId);
    if (entry?.folding !== folding) return undefined;
    this.#put(streamId, entry);
    return entry.loaded as Loaded<S>;
  }

  keep<S, E extends HeadgateEvent>(streamId: string, folding: Folding<S, E>, loaded: Loaded<S>): void {
    const entry = this.#entries.get(streamId);
    if (entry?.folding === folding && entry.loaded.version > loaded.version) return;
    this.#put(streamId, entryOf(folding, loaded));
  }

  /** Folds an event that the log holds into its stream's entry, when it is the next one there. */
  apply(event: RecordedEvent): void {
    const entry = this.#entries.get(event.streamId);
    if (entry?.loaded.version === event.streamVersion - 1) this.#entries.set(event.streamId, entry.fold(event));
  }

  #put(streamId: string, entry: Entry): void {
    this.#entries.delete(streamId);
    this.#entries.set(streamId, entry);
    if (this.#entries.size <= MOST_STREAMS) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }
}
