import { createHmac } from 'node:crypto';

/** The users of one instance. A user is bound to a target and, there, to one instance (session affinity). */
export type Units = {
  readonly count: number;
  /** HMAC-SHA256 of the user's id, 22 characters; made when it is first needed. */
  readonly pseudonym: (index: number) => string;
  /** The number of the user within its target; equal for the same user in every run. */
  readonly number: (index: number) => number;
};

/**
 * @param key known to the fleets alone, so that the controller cannot tell who a unit is
 * @param instance which of `instances`; user n is served by instance n modulo instances
 */
export const createUnits = (
  key: Buffer,
  target: string,
  population: number,
  instance: number,
  instances: number,
): Units => {
  const count = Math.floor((population - instance - 1) / instances) + 1;
  const made: (string | undefined)[] = Array.from({ length: count });
  const number = (index: number): number => index * instances + instance;
  const pseudonym = (index: number): string => {
    const known = made[index];
    if (known !== undefined) return known;
    const fresh = createHmac('sha256', key)
      .update(`${target}/user-${number(index)}`)
      .digest('base64url')
      .slice(0, 22);
    made[index] = fresh;
    return fresh;
  };
  return { count, pseudonym, number };
};
