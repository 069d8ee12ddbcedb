import type { SignalSource, SignalType } from '#libs/contracts';

/** A signal that does not come as outcomes, and what counts it. */
export type RegisteredSource = { readonly signal: string; readonly type: SignalType; readonly source: SignalSource };

/** Which signals are registered now that a source counts. */
export abstract class SignalSources {
  /** The same list, as an object, as long as nothing has changed. */
  abstract all(): readonly RegisteredSource[];
}
