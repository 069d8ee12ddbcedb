export type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The row under a key, made where there is none. */
export const found = <V>(map: Map<string, V>, key: string, make: () => V): V => {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
};

/** A key of several parts, none of which holds what separates them. */
export const key = (...parts: readonly (string | number)[]): string => parts.join('\u0000');
