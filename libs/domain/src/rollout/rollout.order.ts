import type { RolloutEvent } from '../events/index.js';
import type { Rollout } from './rollout.state.js';
import { targetsOf } from './tracks.js';

type Order = NonNullable<Extract<RolloutEvent, { type: 'RollbackStarted' }>['data']['order']>;

const DIGITS = 3;

const rounded = (rate: number): number => Number(rate.toPrecision(DIGITS));

/**
 * Targets in the order in which they are taken back, and why. `perSecond`: requests on the candidate lately; where they
 * are not known, or are as many, the order of the plan stands. Of targets that the plan names, those come first.
 */
export const rollbackOrder = (
  { plan }: Pick<Rollout, 'plan'>,
  leaving: readonly string[],
  perSecond: Readonly<Record<string, number>> = {},
): { readonly targets: string[]; readonly order: Order } => {
  const asked = plan.rollbackOrder ?? 'blast-radius';
  const planned = targetsOf(plan.tracks).filter((target) => leaving.includes(target));
  const rates = planned.flatMap((target) => {
    const rate = perSecond[target];
    return rate === undefined ? [] : [[target, rounded(rate)] as const];
  });
  const requestsPerSecond = Object.fromEntries(rates);
  const byRadius = planned.toSorted((a, b) => (perSecond[b] ?? 0) - (perSecond[a] ?? 0));
  if (asked === 'blast-radius') return { targets: byRadius, order: { by: asked, requestsPerSecond } };
  if (asked === 'plan') return { targets: planned, order: { by: asked, requestsPerSecond } };
  const named = asked.filter((target) => leaving.includes(target));
  const others = byRadius.filter((target) => !named.includes(target));
  return { targets: [...named, ...others], order: { by: 'named', requestsPerSecond } };
};
