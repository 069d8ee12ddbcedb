import { z } from 'zod';

const digits = (text: unknown): unknown => (typeof text === 'string' && /^\d{1,16}$/.test(text) ? Number(text) : text);

/** A whole number in a query or a header: digits only, so neither nothing at all nor `0x10` passes for one. */
export const wholeNumber = (least: number, most: number) => {
  const error = `must be a whole number from ${least} to ${most}`;
  return z.preprocess(digits, z.int({ error }).min(least, { error }).max(most, { error }));
};
