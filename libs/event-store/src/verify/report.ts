/** What does not fit. A range of positions where only roots tell; `from` is `to` where the very event is known. */
export type Fault = {
  readonly kind:
    | 'missing'
    | 'order'
    | 'body'
    | 'leaf'
    | 'column'
    | 'stream-version'
    | 'witness'
    | 'node'
    | 'root'
    | 'signature'
    | 'key'
    | 'truncated';
  readonly from: number;
  readonly to: number;
  /** In words, without the position. */
  readonly detail: string;
};

/** A head that fits: how many events it covers, when it was signed (null where it does not say), by which key. */
export type FittingHead = {
  readonly size: number;
  readonly root: string;
  readonly signedAt: string | null;
  /** Null where no key was given to check the signature with. */
  readonly keyId: string | null;
  /** Where the head comes from: a file, a witness, the database. */
  readonly from: string;
};

/**
 * `anchored`: all fits, and a head from outside the log covers it up to a position. `not-anchored`: all fits, but only
 * to itself. `altered`: something does not fit.
 */
export type Verdict = 'anchored' | 'not-anchored' | 'altered';

export type VerifyReport = {
  readonly verdict: Verdict;
  readonly origin: string | null;
  readonly events: number;
  /** The largest head that fits, wherever it comes from. */
  readonly sealed: FittingHead | null;
  /** For each source outside the log its largest head that fits. */
  readonly anchors: readonly FittingHead[];
  /** The first event that no head covers; null when all are covered. */
  readonly unsealedFrom: number | null;
  /** The first event, or range of events, that does not fit. */
  readonly first: Fault | null;
  readonly faults: readonly Fault[];
  /** How many more there are than are listed. */
  readonly moreFaults: number;
  readonly notes: readonly string[];
};

const MOST_LISTED = 20;

/** Collects what does not fit, of any number only so many. */
export class Faults {
  readonly listed: Fault[] = [];
  #exact: Fault | undefined;
  #range: Fault | undefined;
  /** A stream that goes on with another version than it should: the event itself may be as it was. */
  #consequence: Fault | undefined;
  more = 0;

  get any(): boolean {
    return this.listed.length > 0;
  }

  add(fault: Fault): void {
    if (fault.from !== fault.to) this.#range = narrower(this.#range, fault);
    else if (fault.kind === 'stream-version') this.#consequence ??= fault;
    else if (this.#exact === undefined || fault.from < this.#exact.from) this.#exact = fault;
    if (this.listed.length < MOST_LISTED) this.listed.push(fault);
    else this.more += 1;
  }

  /** The first event at fault; where only roots tell and nothing before it is at fault, the narrowest range. */
  first(): Fault | null {
    const consequence = this.#consequence;
    const exact = earlier(this.#exact, this.#range === undefined ? consequence : undefined);
    const range = this.#range;
    if (range === undefined || (exact !== undefined && exact.from <= range.to)) return exact ?? null;
    // The event with the wrong name is one of those before it.
    const isWithin = consequence !== undefined && consequence.from >= range.from && consequence.from < range.to;
    return isWithin ? { ...range, to: consequence.from } : range;
  }
}

const earlier = (a: Fault | undefined, b: Fault | undefined): Fault | undefined =>
  a === undefined || (b !== undefined && b.from < a.from) ? b : a;

/** Two ranges that overlap have the same fault in common. */
const narrower = (known: Fault | undefined, fault: Fault): Fault => {
  if (known === undefined) return fault;
  const from = Math.max(known.from, fault.from);
  const to = Math.min(known.to, fault.to);
  if (from > to) return known.from < fault.from ? known : fault;
  return { ...(fault.to - fault.from < known.to - known.from ? fault : known), from, to };
};
