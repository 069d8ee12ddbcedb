import type { SignedHead } from '../seal/checkpoint.js';

/** A head and where it comes from; `outside`: not from the log that is verified. */
export type HeldHead = SignedHead & { readonly from: string; readonly outside: boolean };

/** The leaves of positions after + 1 and on, 32 bytes each, and a head that ends with them, or one alone. */
export type EvidenceItem = {
  readonly leaves?: { readonly after: number; readonly bytes: Buffer };
  readonly head?: HeldHead;
};

export type EvidenceSource = AsyncIterator<EvidenceItem>;

/** Heads as a source, in the order of their sizes. */
export const headsSource = async function* (heads: readonly HeldHead[]): AsyncGenerator<EvidenceItem> {
  for (const head of heads.toSorted((a, b) => a.size - b.size)) yield { head };
};

/** One source on its way along the log: what it says about the events that come next. */
export class EvidenceCursor {
  item: EvidenceItem | undefined;
  /** The position up to which the item is about the log. */
  end = 0;

  constructor(private readonly source: EvidenceSource) {}

  /** Goes on to the next item of the source; after the last one `end` is infinite. */
  async next(): Promise<void> {
    const { value, done } = await this.source.next();
    this.item = done === true ? undefined : (value as EvidenceItem);
    if (this.item === undefined) {
      this.end = Number.POSITIVE_INFINITY;
      return;
    }
    const { leaves, head } = this.item;
    this.end = Math.max(head?.size ?? 0, leaves === undefined ? 0 : leaves.after + leaves.bytes.length / 32);
  }

  /** The leaf that the source has for a position. */
  leafOf(position: number): string | undefined {
    const leaves = this.item?.leaves;
    if (leaves === undefined) return undefined;
    const at = (position - leaves.after - 1) * 32;
    return at >= 0 && at < leaves.bytes.length ? leaves.bytes.toString('latin1', at, at + 32) : undefined;
  }
}
