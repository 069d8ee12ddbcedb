import { z } from 'zod';
import { FaultStep, type Faults } from './faults.js';
import { StoreFaultStep } from './stores/script.js';
import type { Stores } from './stores/stores.js';

/** A step of a script over all services of the emulator. */
export const AnyFaultStep = z.discriminatedUnion('service', [FaultStep, StoreFaultStep]);
export type AnyFaultStep = z.input<typeof AnyFaultStep>;

export const AnyFaultScript = z.array(AnyFaultStep).max(1_000);

/** Gives each service its steps. Throws a ZodError for a script that makes no sense; nothing changes then. */
export const playAll = (script: unknown, faults: Faults, stores: Stores): void => {
  const steps = AnyFaultScript.parse(script);
  faults.play(steps.flatMap((step) => (FaultStep.safeParse(step).success ? [FaultStep.parse(step)] : [])));
  stores.play(steps.flatMap((step) => (StoreFaultStep.safeParse(step).success ? [StoreFaultStep.parse(step)] : [])));
};
