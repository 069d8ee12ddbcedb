import type { LookCell, StoredLook } from './evidence-store.js';

/** A digest that a verdict names, and the last look that it was chained over. */
export type NamedLook = { readonly look: number; readonly digest: string };

/** Digest of all looks up to one, by that of those before it and its own. */
export type Chained = (before: string, look: string) => string;

/** Looks that became one: under the number and the time of the last of them. */
export type CompactedLook = Omit<StoredLook, 'digest' | 'compacted'> & {
  readonly standsFor: number;
  readonly chain: string;
};

/** What a verdict names is not what the looks are chained to: they are left as they are. */
export class UnchainedLooksError extends Error {
  override readonly name = 'UnchainedLooksError';

  constructor(rollout: string, look: number) {
    super(
      `The looks of rollout ${rollout} up to ${look} are not those that a verdict names by their digest, so they are not compacted: look at them with headgate explain ${rollout} --recompute.`,
    );
  }
}

const HOUR_MS = 3_600_000;

type Bin = NonNullable<LookCell['bins']>[number];

const addBins = (known: readonly Bin[], added: readonly Bin[]): readonly Bin[] => {
  const bins = new Map(known.map((bin) => [bin[0], bin]));
  for (const [value, candidate, control] of added) {
    const [, before = 0, beside = 0] = bins.get(value) ?? [];
    bins.set(value, [value, before + candidate, beside + control]);
  }
  return [...bins.values()].toSorted(([a], [b]) => a - b);
};

const SUMMED = ['candidateBad', 'controlBad', 'candidateRequests', 'controlRequests'] as const;

/** Two cells of one kind as one. What is counted up to a look, and not in it, is that of the later one. */
const addCells = (known: LookCell, added: LookCell): LookCell => ({
  ...known,
  ...added,
  ...Object.fromEntries(
    SUMMED.flatMap((field) =>
      known[field] === undefined && added[field] === undefined
        ? []
        : [[field, (known[field] ?? 0) + (added[field] ?? 0)]],
    ),
  ),
  ...(known.bins === undefined && added.bins === undefined
    ? {}
    : { bins: addBins(known.bins ?? [], added.bins ?? []) }),
});

/** Late outcomes stay apart from those that came with their requests: they are judged by others. */
const kindOf = ({ signal, target, model, shareBp, candidateServed, bins }: LookCell): string =>
  JSON.stringify([signal, target, model, shareBp, candidateServed !== undefined, bins !== undefined]);

const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

const inOrder = (a: LookCell, b: LookCell): number =>
  compare(a.signal, b.signal) ||
  compare(a.target, b.target) ||
  compare(a.model, b.model) ||
  a.shareBp - b.shareBp ||
  compare(kindOf(a), kindOf(b));

/** Members in alphabetical order, as looks are stored: canonical. */
const canonical = (cell: LookCell): LookCell =>
  Object.fromEntries(Object.entries(cell).toSorted(([a], [b]) => compare(a, b))) as LookCell;

class Group {
  readonly #cells = new Map<string, LookCell>();
  #last: StoredLook;
  #looks = 0;

  constructor(first: StoredLook) {
    this.#last = first;
  }

  get hour(): number {
    return Math.floor(this.#last.at / HOUR_MS);
  }

  add(look: StoredLook): void {
    this.#last = look;
    this.#looks += 1;
    for (const cell of look.cells) {
      const known = this.#cells.get(kindOf(cell));
      this.#cells.set(kindOf(cell), known === undefined ? cell : addCells(known, cell));
    }
  }

  compacted(chain: string): CompactedLook {
    const { rollout, look, at } = this.#last;
    const cells = [...this.#cells.values()].toSorted(inOrder).map(canonical);
    return { rollout, look, at, cells, standsFor: this.#looks, chain };
  }
}

/**
 * Makes of the looks of one rollout, told in order, one look for each hour. It also cuts after each look that a verdict
 * names, so that every verdict still stands at the end of a look: what had counted up to it, and its digest, are still
 * there to compare with. Throws `UnchainedLooksError` where a digest that a verdict names is another one.
 */
export class Compactor {
  readonly #names: readonly NamedLook[];
  readonly #chained: Chained;
  readonly #compacted: CompactedLook[] = [];
  #group: Group | undefined;
  #digest = '';
  #nextName = 0;

  constructor(named: readonly NamedLook[], chained: Chained) {
    this.#names = named.toSorted((a, b) => a.look - b.look);
    this.#chained = chained;
  }

  tell(look: StoredLook): void {
    const hour = Math.floor(look.at / HOUR_MS);
    if (this.#isNamedBefore(look.look, look.rollout) || this.#group?.hour !== hour) this.#cut();
    this.#group ??= new Group(look);
    this.#group.add(look);
    this.#digest = this.#chained(this.#digest, look.digest);
  }

  /** After the last look. */
  end(rollout: string): readonly CompactedLook[] {
    this.#isNamedBefore(Number.POSITIVE_INFINITY, rollout);
    this.#cut();
    return this.#compacted;
  }

  #cut(): void {
    if (this.#group !== undefined) this.#compacted.push(this.#group.compacted(this.#digest));
    this.#group = undefined;
  }

  /** Empty looks are named as well, and are not kept: what was folded by then is what had been before. */
  #isNamedBefore(look: number, rollout: string): boolean {
    const first = this.#nextName;
    for (let name = this.#names[first]; name !== undefined && name.look < look; name = this.#names[this.#nextName]) {
      if (name.digest !== this.#digest) throw new UnchainedLooksError(rollout, name.look);
      this.#nextName += 1;
    }
    return this.#nextName > first;
  }
}
