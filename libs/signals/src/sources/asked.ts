import type { AskedSignalSource, SourceConnection } from '#libs/contracts';

/** A span of time in epoch milliseconds. */
export type Span = { readonly from: number; readonly until: number };

/** A registered source with the signals that name it. */
export type AskedSource = {
  readonly source: string;
  readonly connection: SourceConnection;
  readonly signals: readonly AskedSignal[];
};

export type AskedSignal = {
  readonly signal: string;
  readonly type: 'rate' | 'mean' | 'distribution';
  readonly asked: AskedSignalSource;
};

/** What is counted of one slice, or of one arm in it, within one window, before it is whole numbers. */
export type Point = {
  /** Tells this series from the others of its signal, in every window alike. */
  readonly key: string;
  readonly target: string | undefined;
  /** Left out where the source does not say: then the only model of the target is meant. */
  readonly model: string | undefined;
  readonly arm:
    { readonly config: string; readonly variant: string; readonly generation: string | undefined } | undefined;
  readonly bucket: string | undefined;
  readonly requests: number;
  readonly bad: number;
  readonly values: readonly (readonly [value: number, count: number])[] | undefined;
};

export type PointRefusal = { readonly where: string; readonly code: string; readonly detail: string };

/** What a source says of one window of one signal. */
export type Reading =
  | { readonly kind: 'measured'; readonly points: readonly Point[]; readonly refused: readonly PointRefusal[] }
  /** It answered, and knows nothing of this window; it may later. */
  | { readonly kind: 'nothing'; readonly words: string }
  /** It did not answer, or not in a way that means anything; `words` say why, without secrets. */
  | { readonly kind: 'failed'; readonly words: string };

export type Ask = { readonly signal: AskedSignal; readonly windows: readonly Span[] };
export type Answer = { readonly signal: string; readonly window: Span; readonly reading: Reading };

/** Asks one metrics system. Never throws for what the other side does; windows it gives no answer for stay unasked. */
export abstract class SourceClient {
  abstract ask(asks: readonly Ask[], stop: AbortSignal): Promise<readonly Answer[]>;
  /** Lets connections go. */
  abstract close(): void;
}
