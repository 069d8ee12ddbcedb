import { z } from 'zod';

export const SignalType = z.enum(['invariant', 'rate', 'mean', 'distribution', 'paired']);
export type SignalType = z.output<typeof SignalType>;
