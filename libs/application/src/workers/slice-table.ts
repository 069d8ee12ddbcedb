import { isOfValues, type Packer, type SignalSpec, type SliceCounts, type Unpacker } from '#libs/domain';
import type { RequestTotals, StoredLook } from '../ports.js';

type Counts = { -readonly [field in keyof SliceCounts]: SliceCounts[field] };
type Slice = { readonly target: string; readonly model: string };

const inOrder = (a: Slice, b: Slice): number =>
  a.target === b.target ? (a.model < b.model ? -1 : 1) : a.target < b.target ? -1 : 1;

/** Of which requests are not what was measured, but values or pairs; sources bring requests of their own. */
const isSampled = (type: SignalSpec['type']): boolean => isOfValues({ type }) || type === 'paired';

type Counted = Pick<SignalSpec, 'signal' | 'type'> & { readonly source?: string | null };

/** What a rollout's slices have counted so far, signal by signal: bad outcomes as its looks bring them, requests as told. */
export class SliceTable {
  /** Target → model → its counts, one for each signal. */
  readonly #slices = new Map<string, Map<string, readonly Counts[]>>();
  readonly #places: ReadonlyMap<string, number>;
  /** Signal by signal; undefined when a slice has come since it was put in order. */
  #ordered: readonly (readonly Counts[])[] | undefined;

  /** Of signals that count requests. */
  readonly #byRequest: readonly boolean[];

  constructor(signals: readonly Counted[]) {
    this.#places = new Map(signals.map(({ signal }, place) => [signal, place]));
    this.#byRequest = signals.map(({ type, source }) => source == null && !isSampled(type));
  }

  addBad({ cells }: StoredLook): void {
    for (const cell of cells) {
      const place = this.#places.get(cell.signal);
      const counts = place === undefined ? undefined : this.#of(cell)[place];
      if (counts === undefined) continue;
      counts.candidateBad += cell.candidateBad;
      counts.controlBad += cell.controlBad;
    }
  }

  /** Requests in which a signal was not measured say nothing of it. */
  setRequests({ slices, unmeasured, samples }: RequestTotals): void {
    for (const slice of slices)
      for (const [place, counts] of this.#of(slice).entries()) {
        if (this.#byRequest[place] !== true) continue;
        counts.candidateRequests = slice.candidateRequests;
        counts.controlRequests = slice.controlRequests;
      }
    for (const blind of unmeasured) {
      const place = this.#places.get(blind.signal) ?? -1;
      const counts = this.#of(blind)[place];
      if (counts === undefined || this.#byRequest[place] !== true) continue;
      counts.candidateRequests -= blind.candidateRequests;
      counts.controlRequests -= blind.controlRequests;
    }
    for (const sampled of samples) {
      const counts = this.#of(sampled)[this.#places.get(sampled.signal) ?? -1];
      if (counts === undefined) continue;
      counts.candidateRequests = sampled.candidate;
      counts.controlRequests = sampled.control;
    }
  }

  /** By slice, in the order of their names. */
  of(signal: string): readonly SliceCounts[] {
    this.#ordered ??= this.#order();
    return this.#ordered[this.#places.get(signal) ?? -1] ?? [];
  }

  /** Writes the bad outcomes down; requests are told at each look. */
  pack(to: Packer): void {
    const slices = this.#all();
    to.number(slices.length);
    for (const slice of slices) {
      to.name(slice[0]?.target ?? '');
      to.name(slice[0]?.model ?? '');
      for (const { candidateBad, controlBad } of slice) {
        to.number(candidateBad);
        to.number(controlBad);
      }
    }
  }

  /** Reads into a table that has counted nothing yet. */
  unpack(from: Unpacker): void {
    for (let left = from.number(); left > 0; left -= 1)
      for (const counts of this.#of({ target: from.name(), model: from.name() })) {
        counts.candidateBad = from.number();
        counts.controlBad = from.number();
      }
  }

  #order(): readonly (readonly Counts[])[] {
    const slices = this.#all().toSorted(([a], [b]) => (a === undefined || b === undefined ? 0 : inOrder(a, b)));
    return [...this.#places.values()].map((place) => slices.flatMap((counts) => counts[place] ?? []));
  }

  #all(): (readonly Counts[])[] {
    return [...this.#slices.values()].flatMap((models) => [...models.values()]);
  }

  #of({ target, model }: Slice): readonly Counts[] {
    const models = this.#slices.get(target) ?? new Map<string, readonly Counts[]>();
    const known = models.get(model);
    if (known !== undefined) return known;
    const none = { candidateBad: 0, candidateRequests: 0, controlBad: 0, controlRequests: 0 };
    const fresh = [...this.#places.keys()].map(() => ({ target, model, ...none }));
    this.#slices.set(target, models.set(model, fresh));
    this.#ordered = undefined;
    return fresh;
  }
}
