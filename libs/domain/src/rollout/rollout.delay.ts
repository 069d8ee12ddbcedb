import type { Rollout } from './rollout.state.js';

type Signal = Rollout['plan']['signals'][number];

/**
 * Signals that decide and of which the outcomes of the first requests need not be known yet after so much of a stage. A
 * rollout that goes without stages waits for none.
 */
export const notYetKnown = (
  { plan, bypass }: Pick<Rollout, 'plan' | 'bypass'>,
  lastedMs: number,
): readonly (Signal & { readonly delayMs: number })[] =>
  bypass !== null
    ? []
    : plan.signals.flatMap((signal) => {
        const { delayMs, shadow } = signal;
        return delayMs === null || shadow || lastedMs >= delayMs ? [] : [{ ...signal, delayMs }];
      });
