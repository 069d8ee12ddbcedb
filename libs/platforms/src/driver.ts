import type { Capabilities } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';

export type { Capabilities } from '#libs/contracts';

/** Variables of the process, in which secrets are. */
export type Environment = Readonly<Record<string, string | undefined>>;

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
export type TargetRuleset = {
  /** 0 where Headgate did not write it. */
  readonly generation: number;
  /** In the form of `heldForm`; `{}` where it is no ruleset. */
  readonly ruleset: JsonObject;
};

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
  /** How long a heartbeat counts, in ms. */
  readonly leaseMs?: number;
};

/** Delivers rulesets to the targets of one kind of platform. Any number of controllers may drive one target. */
export abstract class PlatformDriver {
  abstract capabilities(target: string): Capabilities;
  /**
   * Makes the target serve the whole ruleset. An older generation never overwrites a newer one, and the same one may be
   * applied any number of times. Failures of the platform are outcomes, not exceptions.
   */
  abstract apply(target: string, ruleset: JsonObject, generation: number): Promise<Outcome>;
  /** What the target holds; undefined before the first apply. Throws when the platform cannot be asked. */
  abstract read(target: string): Promise<TargetRuleset | undefined>;
  /** Which instances evaluate with what. Throws when the platform cannot be asked. */
  abstract observe(target: string): Promise<Observation>;
  /** What `read` gives back of a ruleset once it is applied there. By default all of it. */
  heldForm(_target: string, ruleset: JsonObject): JsonObject {
    return ruleset;
  }
}

/** A heartbeat of an instance. */
export type Heartbeat = {
  readonly generation: number;
  readonly error?: string | undefined;
  /** Since when it evaluates with this generation, in epoch milliseconds; default: it was heard at once. */
  readonly since?: number | undefined;
};

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

/** The config that takes most of a ruleset, with its bytes. */
const largestOf = (text: string): string => {
  const { flags } = JSON.parse(text) as { readonly flags?: Readonly<Record<string, JsonObject>> };
  const [largest] = Object.entries(flags ?? {})
    .map(([config, flag]) => ({ config, bytes: Buffer.byteLength(JSON.stringify(flag)) }))
    .toSorted((a, b) => b.bytes - a.bytes);
  return largest === undefined ? '' : `; the largest is config ${largest.config} with ${largest.bytes} bytes`;
};

/**
 * Why a ruleset can never be applied to a target; undefined when it can. `mostBytes`: what can be held there.
 */
export const unservable = (
  target: string,
  text: string,
  generation: number,
  mostBytes: number,
): Outcome | undefined => {
  if (!Number.isSafeInteger(generation) || generation < 1) {
    return {
      kind: 'rejected',
      message: `Generation ${generation} of target ${target} is not a position of the log: give an integer from 1.`,
    };
  }
  const bytes = Buffer.byteLength(text);
  if (bytes <= mostBytes) return undefined;
  return {
    kind: 'rejected',
    message: `The ruleset of target ${target} has ${bytes} bytes and there is room for ${mostBytes}${largestOf(text)}. A rollout holds the old value beside the new one: lead the largest config to a smaller value in steps that fit, or register the target anew by a driver with more room.`,
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
