import * as canonicalizer from 'canonicalize';
import type { Json } from '#libs/kernel';

type Canonicalize = (value: unknown) => string | undefined;

/** The package is CommonJS whose types claim a default export; this is the function either way. */
const canonicalize = ((canonicalizer as { readonly default?: unknown }).default ?? canonicalizer) as Canonicalize;

/** RFC 8785: equal values give equal text. */
export const canonicalJson = (value: Json): string => {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('Only JSON has a canonical form.');
  return text;
};
