import type { JsonObject } from '#libs/kernel';

/** What a driver can do; a plan that asks for more is refused. */
export type Capabilities = {
  /** How traffic can be split there. */
  readonly assignments: readonly ('unit' | 'request' | 'instance')[];
  /** The smallest step of a share, in basis points. */
  readonly resolutionBp: number;
  /** Most configs that one target can hold; null: no limit. */
  readonly configsPerTarget: number | null;
  /** True when each instance says which generation it evaluates with. */
  readonly acknowledgesInstances: boolean;
  /** Longest time, in milliseconds, from `applied` until every instance that can be reached evaluates with it. */
  readonly worstCaseDelayMs: number;
  /** How long an earlier ruleset can still be brought back, in milliseconds; null: always. */
  readonly revertWindowMs: number | null;
};

/**
 * How an apply ended.
 * - `applied`: the target holds this generation, by this call or an earlier one.
 * - `in-progress`: accepted, not in force yet: observe.
 * - `conflict`: refused, nothing changed. `superseded`: the target holds a newer generation, so the task is done;
 *   `different-ruleset`: the same generation with another content; `concurrent`: another writer was faster, try again.
 * - `throttled`: try again after `retryAfterMs` (null: not said).
 * - `rejected`: it can never work as it is. `denied`: the credentials do not suffice. Both need a person.
 * - `unknown`: the effect is not known: read before any repetition.
 */
export type Outcome =
  | { readonly kind: 'applied'; readonly generation: number }
  | { readonly kind: 'in-progress'; readonly generation: number }
  | {
      readonly kind: 'conflict';
      readonly reason: 'superseded' | 'different-ruleset' | 'concurrent';
      /** The generation that the target holds; null when it is not known. */
      readonly current: number | null;
      readonly message: string;
    }
  | { readonly kind: 'throttled'; readonly retryAfterMs: number | null; readonly message: string }
  | { readonly kind: 'rejected' | 'denied' | 'unknown'; readonly message: string };

/** What a target holds. */
export type TargetRuleset = { readonly generation: number; readonly ruleset: JsonObject };

/** An instance of a target, as it last spoke. */
export type Instance = {
  readonly instance: string;
  /** The generation it evaluates with. */
  readonly generation: number;
  /** Epoch milliseconds. */
  readonly seenAt: number;
  /** Why it could not use the newest ruleset; null when it could. */
  readonly error: string | null;
};

export type Observation = {
  /** Seen within their lease. */
  readonly instances: readonly Instance[];
  /** Seen before, but not within their lease: gone, or cut off and still serving what they had. */
  readonly silent: readonly Instance[];
};

/** Delivers rulesets to the targets of one kind of platform. Any number of controllers may drive one target. */
export abstract class PlatformDriver {
  abstract capabilities(): Capabilities;
  /**
   * Makes the target serve the whole ruleset. An older generation never overwrites a newer one, and the same one may be
   * applied any number of times. Failures of the platform are outcomes, not exceptions.
   */
  abstract apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome>;
  /** What the target holds; undefined before the first apply. Throws when the platform cannot be asked. */
  abstract read(target: string): Promise<TargetRuleset | undefined>;
  /** Which instances evaluate with what. Throws when the platform cannot be asked. */
  abstract observe(target: string): Promise<Observation>;
}

/** A heartbeat of an instance. */
export type Heartbeat = { readonly generation: number; readonly error?: string | undefined };

export const superseded = (target: string, generation: number, current: number): Outcome => ({
  kind: 'conflict',
  reason: 'superseded',
  current,
  message: `Target ${target} holds generation ${current}, so ${generation} came too late: nothing is left to do.`,
});

export const differentRuleset = (target: string, generation: number): Outcome => ({
  kind: 'conflict',
  reason: 'different-ruleset',
  current: generation,
  message: `Target ${target} holds generation ${generation} with another content: apply a newer generation.`,
});

/** Official clients refuse larger messages (4 MiB with the frame). */
const MAX_RULESET_BYTES = 4 * 1024 * 1024 - 1024;

/** Why a ruleset can never be applied to a target that official clients stream from; undefined when it can. */
export const unservable = (target: string, text: string, generation: number): Outcome | undefined => {
  if (!Number.isSafeInteger(generation) || generation < 1) {
    return {
      kind: 'rejected',
      message: `Generation ${generation} of target ${target} is not a position of the log: give an integer from 1.`,
    };
  }
  const bytes = Buffer.byteLength(text);
  if (bytes <= MAX_RULESET_BYTES) return undefined;
  return {
    kind: 'rejected',
    message: `The ruleset of target ${target} has ${bytes} bytes and clients take ${MAX_RULESET_BYTES}: make its configs smaller.`,
  };
};

/** An acknowledgement of a generation that the target never had comes from elsewhere: it proves nothing here. */
export const believable = (target: string, instance: Instance, current: number): Instance =>
  instance.generation <= current || instance.error !== null
    ? instance
    : {
        ...instance,
        error: `It acknowledges generation ${instance.generation}, which target ${target} never had (it holds ${current}): clear its stored ruleset.`,
      };
