/** What was found in an evidence pack. */
export type PackReport = {
  /** `proved`: all fits, up to a key from outside. `not-anchored`: all fits, but only to a key in the pack itself. */
  readonly verdict: 'proved' | 'not-anchored' | 'altered';
  readonly rollout: string | null;
  readonly origin: string | null;
  readonly madeAt: string | null;
  readonly files: number;
  readonly events: number;
  readonly head: { readonly size: number; readonly signedAt: string | null; readonly keyId: string } | null;
  /** In words, the worst first. */
  readonly faults: readonly string[];
  /** What was shown, and what was not. */
  readonly proved: readonly string[];
  readonly unproved: readonly string[];
  readonly notes: readonly string[];
};
