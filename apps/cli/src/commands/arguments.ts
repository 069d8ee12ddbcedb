import { InvalidArgumentError } from 'commander';
import { parseDuration } from '#libs/contracts';

/** An option that is a whole number within bounds. */
export const integer =
  (min: number, max = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    const bounds = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `from ${min} to ${max}`;
    throw new InvalidArgumentError(`Write a whole number, ${bounds}.`);
  };

/** An option that is a duration; in ms. */
export const duration = (text: string): number => {
  const ms = parseDuration(text);
  // Node's timers hold no more than this; beyond it they fire at once.
  if (ms !== undefined && ms > 0 && ms <= 2_147_483_647) return ms;
  throw new InvalidArgumentError('Write a duration such as 30s, 5m, 1.5h or 2d, up to 24d.');
};

/** An option that may be given several times. */
export const several = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];
