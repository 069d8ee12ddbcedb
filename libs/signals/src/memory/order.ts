/** Where a slice is. */
export type Place = { readonly target: string; readonly model: string };

/** In the order of code units. */
export const compare = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);
export const byPlace = (a: Place, b: Place): number => compare(a.target, b.target) || compare(a.model, b.model);
export const bySignal = (a: Place & { readonly signal: string }, b: Place & { readonly signal: string }): number =>
  compare(a.signal, b.signal) || byPlace(a, b);
/** The name of a slice, in keys. */
export const placeOf = ({ target, model }: Place): string => `${target} ${model}`;
