import { z } from 'zod';

/** What may go wrong, by the way it looks from outside. */
export const FAULTS = [
  'timeout',
  'throttled',
  'server-error',
  'unavailable',
  'expired-credentials',
  'forbidden',
  'partial',
  'empty',
  'nonsense',
  'cut-off',
] as const;
export type Fault = (typeof FAULTS)[number];

export const SERVICES = ['cloudwatch', 'cloud-monitoring'] as const;
export type Service = (typeof SERVICES)[number];

/** What happens to the next requests of a service that read: `times` of them, after `after` that are well. */
export const FaultStep = z.strictObject({
  service: z.enum(SERVICES),
  fault: z.enum(FAULTS),
  times: z.int().min(1).max(1_000_000).default(1),
  after: z.int().min(0).max(1_000_000).default(0),
});
export type FaultStep = z.input<typeof FaultStep>;

export const FaultScript = z.array(FaultStep).max(1_000);

type Step = { readonly service: Service; readonly fault: Fault; times: number; after: number };

/** Steps of one service come one after another. */
export class Faults {
  #steps: Step[] = [];

  /** Takes the place of what is left of an earlier script. Throws a ZodError for one that makes no sense. */
  play(script: readonly FaultStep[]): void {
    this.#steps = FaultScript.parse(script).map((step) => ({ ...step }));
  }

  /** What happens to this request; undefined when it is well. */
  next(service: Service): Fault | undefined {
    const step = this.#steps.find((one) => one.service === service && one.times > 0);
    if (!step) return undefined;
    if (step.after > 0) {
      step.after -= 1;
      return undefined;
    }
    step.times -= 1;
    return step.fault;
  }
}
