/**
 * What a metrics system counted of one signal, in one slice, on one arm or on none, in one span of time. It knows no
 * units: whose requests they were, nobody can tell.
 */
export type Counted = {
  readonly signal: string;
  readonly target: string;
  readonly model: string;
  /** The revision that served it; without one it tells of the slice as a whole, before and after a change. */
  readonly arm?: { readonly config: string; readonly revision: number; readonly generation?: number | undefined };
  /** Epoch milliseconds. */
  readonly from: number;
  readonly until: number;
  /** Of a rate: requests, and the bad ones among them. */
  readonly requests: number;
  readonly bad: number;
  /** Of signals of values, and of no others: each value with how often it was measured. */
  readonly values?: readonly (readonly [value: number, count: number])[];
  /** Number of the hash bucket of units that it is of, by which the spread between units is estimated. */
  readonly bucket?: number | undefined;
};

/** What a source saw at last, as JSON: it alone knows what it means. */
export type SourceState = unknown;

/** `where`: names the item within what was counted, such as `errors on api-tpu`; `index`: its place there. */
export type CountedRefusal = {
  readonly where: string;
  readonly code: string;
  readonly detail: string;
  readonly index: number;
};

export type SourceStep<R> = {
  readonly state: SourceState;
  readonly counted: readonly Counted[];
  /** Handed back to the caller. */
  readonly result: R;
};

/** The way in for what sources count. */
export abstract class CountedIntake {
  /**
   * Moves one source on by a pure step from what it saw at last (undefined at first) and counts what the step says, both
   * in one transaction: each thing is counted once, by however many controllers, however often it is sent. Steps of one
   * source come one after another. Gives what was refused, item by item; the rest is durable. `now` in epoch ms.
   */
  abstract advance<R>(
    source: string,
    step: (state: SourceState | undefined) => SourceStep<R>,
    now: number,
  ): Promise<{ readonly result: R; readonly refused: readonly CountedRefusal[] }>;
}
