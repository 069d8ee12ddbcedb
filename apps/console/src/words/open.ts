import type { OpenChange } from '#libs/contracts';
import { showShare } from './format.js';

/** `10% on api-us-gpu, api-us-tpu; 0% on vertex-eu`: what was asked for, targets that are alike together. */
export const exposuresIn = (exposures: OpenChange['exposures']): string => {
  const byShare = new Map<number, string[]>();
  for (const { target, shareBp } of exposures) byShare.set(shareBp, [...(byShare.get(shareBp) ?? []), target]);
  return [...byShare]
    .toSorted(([a], [b]) => b - a)
    .map(([shareBp, targets]) => `${showShare(shareBp)} on ${targets.join(', ')}`)
    .join('; ');
};
