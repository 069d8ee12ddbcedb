/** A generator of random numbers from 0 to 1 (mulberry32): the same seed gives the same run. */
export const randomOf = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** The seed that CHAOS_SEED gives, or a new one. */
export const seedOf = (env: NodeJS.ProcessEnv): number => Number(env['CHAOS_SEED'] ?? Date.now() % 1_000_000_000);

/** So many of a list, each at most once, in random order. */
export const choose = <T>(items: readonly T[], count: number, random: () => number): readonly T[] => {
  const left = [...items];
  const chosen: T[] = [];
  while (chosen.length < count && left.length > 0) {
    chosen.push(...left.splice(Math.floor(random() * left.length), 1));
  }
  return chosen;
};

/**
 * The points of a run as `point#n`: where each was passed for the first time, and once in the middle of the run.
 * Later crossings of what happens all the time are like those before them.
 */
export const crossings = (trace: readonly string[]): readonly string[] => {
  const counts = new Map<string, number>();
  for (const point of trace) counts.set(point, (counts.get(point) ?? 0) + 1);
  return [...counts].flatMap(([point, count]) =>
    [...new Set([1, Math.ceil(count / 2)])].map((nth) => `${point}#${nth}`),
  );
};

/** Deals the items out to as few lists of at most `size` as it takes, so that neighbours come into different lists. */
export const dealt = <T>(items: readonly T[], size: number): readonly (readonly T[])[] => {
  const lists = Math.ceil(items.length / size);
  return Array.from({ length: lists }, (_, list) => items.filter((_item, index) => index % lists === list));
};
