/** A `bigint` as the pool gives it: a string unless it parses them. Throws beyond 2^53 rather than round. */
export type BigInteger = string | number;

export const toNumber = (value: BigInteger): number => {
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw new Error(`The evidence holds ${value}, which a number cannot hold exactly: report this as a bug.`);
  return number;
};

export const toOptionalNumber = (value: BigInteger | null): number | undefined =>
  value === null ? undefined : toNumber(value);

/** Nothing was written, and the same may be written at once. */
const PASSING = new Set([
  // The day of a late row got its table while the row was on its way to the rest (check_violation).
  '23514',
  // Transactions waited for each other in a circle, and this one was chosen to give way (deadlock_detected).
  '40P01',
]);

/** Writes once more what was turned away for a reason that has passed. */
export const againOncePassed = async <T>(write: () => Promise<T>): Promise<T> => {
  try {
    return await write();
  } catch (error) {
    if (!PASSING.has(String((error as { readonly code?: unknown }).code))) throw error;
    return write();
  }
};
