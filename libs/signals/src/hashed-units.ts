import { createHash } from 'node:crypto';

const PREFIX = 'sha256:';

/** What is kept of a unit whose key came as it is: the same each time, and nothing can be read from it. */
export const hashedUnit = (key: string): string =>
  `${PREFIX}${createHash('sha256').update(key).digest('hex').slice(0, 32)}`;

/** Whose coin cannot be told from what is kept: it was looked at by whoever had the key. */
export const isHashedUnit = (unit: string): boolean => unit.startsWith(PREFIX);
