import { z } from 'zod';

export const STORES = ['appconfig', 'parameter-manager', 'vertex'] as const;
export type Store = (typeof STORES)[number];

/**
 * What may go wrong, by the way it looks from outside. `timeout`: never arrives and is never answered. `timeout-after`: is done and never answered. `cut-off`: the
 * connection breaks before it arrives. `lost-answer`: is done, and the connection breaks before the answer. `server-error-after`: is done, and answered with an error all the same.
 */
export const STORE_FAULTS = [
  'timeout',
  'timeout-after',
  'cut-off',
  'lost-answer',
  'throttled',
  'server-error',
  'server-error-after',
  'unavailable',
  'expired-credentials',
  'forbidden',
  'nonsense',
] as const;
export type StoreFault = (typeof STORE_FAULTS)[number];

/** What happens to the next requests of a service: `times` of them, after `after` that are well. */
export const StoreFaultStep = z.strictObject({
  service: z.enum(STORES),
  fault: z.enum(STORE_FAULTS),
  /** Only requests of this operation, such as StartDeployment; default: all. */
  operation: z.string().max(60).optional(),
  times: z.int().min(1).max(1_000_000).default(1),
  after: z.int().min(0).max(1_000_000).default(0),
});
export type StoreFaultStep = z.input<typeof StoreFaultStep>;

type Step = { -readonly [K in keyof z.output<typeof StoreFaultStep>]: z.output<typeof StoreFaultStep>[K] };

/** Steps that a request fits come one after another. */
export class StoreScript {
  #steps: Step[] = [];

  /** Takes the place of what is left of an earlier script. Throws a ZodError for one that makes no sense. */
  play(script: readonly StoreFaultStep[]): void {
    this.#steps = z.array(StoreFaultStep).max(1_000).parse(script);
  }

  /** What happens to this request; undefined when it is well. */
  next(service: Store, operation: string): StoreFault | undefined {
    const step = this.#steps.find(
      (each) =>
        each.service === service && each.times > 0 && (each.operation === undefined || each.operation === operation),
    );
    if (!step) return undefined;
    if (step.after > 0) {
      step.after -= 1;
      return undefined;
    }
    step.times -= 1;
    return step.fault;
  }
}
