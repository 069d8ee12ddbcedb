import type { JsonObject } from '#libs/kernel';
import type { Heartbeat, Outcome, PlatformDriver } from '#libs/platforms';

/** As a target is registered in the log, and the config that it serves. */
export type Registered = {
  readonly driver: string;
  readonly settings: object;
  readonly config: { readonly key: string; readonly kind: 'quality' | 'weights' };
};

/** How a call to the platform can go wrong. */
export type PlatformFault =
  | 'before-effect'
  | 'after-effect'
  | 'timeout-before-effect'
  | 'timeout-after-effect'
  | 'throttled'
  | 'server-error'
  | 'server-error-after-effect'
  | 'expired-credentials'
  | 'nonsense';

/** What else can happen to a platform, and need not on each. */
export type PlatformTrouble = PlatformFault | 'half-applied' | 'slow' | 'stranger' | 'reordered';

/** Lets go of what waits. */
export type Delayed = (() => void) & { readonly isWaiting: () => boolean };

/** One platform, and what the suite must be able to do to it. */
export type PlatformUnderTest = {
  /** A driver as another controller would have it, over the same platform. */
  readonly driver: () => PlatformDriver;
  /** One that waits a second for an answer, and no longer. */
  readonly impatient?: () => PlatformDriver;
  /** What cannot happen there, and why: it is left out by name. Whatever is not named happens. */
  readonly impossible?: Readonly<Partial<Record<PlatformTrouble, string>>>;
  /** The next apply goes wrong: `before-effect` never arrived, `after-effect` was done and the answer was lost. */
  readonly breakNext: (when: PlatformFault) => void;
  /** The next read does. Left out where reading is no call. */
  readonly breakNextRead?: (when: PlatformFault) => void;
  /** The next write of an apply is done, and answered only when the returned function is called. */
  readonly delayNextAnswer?: () => Delayed;
  /** A heartbeat of an instance, now. Left out where instances say nothing. */
  readonly acknowledge?: (target: string, instance: string, heartbeat: Heartbeat) => Promise<void>;
  /** Lets time pass. */
  readonly advance: (ms: number) => void;
  readonly leaseMs: number;
  /** What only platforms can do that are not Headgate's own. */
  readonly foreign?: {
    /** Somebody else writes there by the vendor's own means. */
    readonly strangerWrites: (target: string) => Promise<void>;
    /** As the target is registered, and the config that is served there. */
    readonly registered: (target: string) => Registered;
    /** From now on what was accepted takes so long. Left out where an apply is done once it is answered. */
    readonly takesMs?: (ms: number) => void;
    /** The next write of an apply arrives only when the returned function is called. */
    readonly delayNextWrite: () => Delayed;
    /** The next apply does its first write, and its second one fails. Left out where it writes once. */
    readonly breakHalfway?: () => void;
  };
  /** The ruleset in the form that the platform can hold; default: any. */
  readonly rulesetOf?: (content: string) => JsonObject;
  readonly close: () => Promise<void>;
};

export type Setting = {
  readonly platform: PlatformUnderTest;
  readonly driver: PlatformDriver;
  readonly target: string;
  readonly ruleset: (content: string) => JsonObject;
  readonly held: (content: string) => JsonObject;
};

/** Why something cannot be tried there. */
export const skipped = (
  context: { skip: (why?: string) => never },
  platform: PlatformUnderTest,
  what: PlatformTrouble,
): void => {
  const why = platform.impossible?.[what];
  if (why !== undefined) context.skip(`${what} cannot happen: ${why}`);
};

/** As a controller does it: what is not done yet, or what another writer was faster at, is tried again. */
export const deliver = async (
  driver: PlatformDriver,
  ...what: Parameters<PlatformDriver['apply']>
): Promise<Outcome> => {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const outcome = await driver.apply(...what);
    const isOpen =
      outcome.kind === 'in-progress' ||
      outcome.kind === 'throttled' ||
      (outcome.kind === 'conflict' && outcome.reason === 'concurrent');
    if (!isOpen) return outcome;
  }
  throw new Error('It is still not applied after 200 attempts.');
};
