import type { Leftover } from './rollout.events.js';

/** Counting units stops here. */
const MOST_UNITS = 512;

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const unitWords = (units: number): string => {
  if (units === 0) return '';
  return units >= MOST_UNITS ? ` of at least ${MOST_UNITS} units` : ` of ${plural(units, 'unit')}`;
};

/** `1204 requests of 13 units came to the withdrawn revision after it was asked back, over 12.0 s`. */
export const leftoverWords = ({ requests, units, firstAt, lastAt }: Leftover): string =>
  `${plural(requests, 'request')}${unitWords(units)} came to the withdrawn revision after it was asked back, over ${((lastAt - firstAt) / 1000).toFixed(1)} s`;
