/** A seeded source of chance for simulations: a value, passed on, never a hidden state. */
export type Seed = { readonly seed: number; readonly drawn: number };

export const seeded = (seed: number): Seed => ({ seed: seed >>> 0, drawn: 0 });

const mix = (word: number): number => {
  let h = word | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/** The `drawn`-th uniform number strictly between 0 and 1 of a seed: two rounds of the MurmurHash3 finaliser. */
export const uniformAt = (seed: number, drawn: number): number => {
  const first = mix(Math.imul(drawn + 1, 0x9e3779b1) ^ seed);
  return ((mix(first + Math.imul(seed, 0x27d4eb2f) + 0x165667b1) >>> 0) + 0.5) / 4_294_967_296;
};

/** The next uniform number and the source after it. */
export const nextUniform = (source: Seed): readonly [number, Seed] => [
  uniformAt(source.seed, source.drawn),
  { seed: source.seed, drawn: source.drawn + 1 },
];
