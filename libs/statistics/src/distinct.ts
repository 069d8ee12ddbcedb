/** Hashes are whole numbers below this. */
export const HASH_RANGE = 2 ** 48;
/** How many of the smallest hashes are kept. */
export const SKETCH_SIZE = 1_024;

/**
 * A sketch of a set: its smallest hashes, ascending, each once, `SKETCH_SIZE` of them at most. Sketches of parts merge to
 * the sketch of the whole, in any order, and with repetitions.
 */
export type DistinctSketch = readonly number[];

/** The sketch of all that two sketches stand for, or of a sketch and further hashes in any order. */
export const mergeSketches = (...parts: readonly (readonly number[])[]): DistinctSketch =>
  [...new Set(parts.flat())].toSorted((a, b) => a - b).slice(0, SKETCH_SIZE);

/**
 * How many different things a sketch stands for: exact below `SKETCH_SIZE`, unbiased from there on.
 * Source: Bar-Yossef et al., Counting distinct elements in a data stream (2002); the unbiased form (k - 1) / h_k and its
 * error by Beyer et al., On synopses for distinct-value estimation under multiset operations (2007).
 */
export const estimateDistinct = (sketch: DistinctSketch): number => {
  if (sketch.length < SKETCH_SIZE) return sketch.length;
  const largest = sketch[SKETCH_SIZE - 1] ?? 0;
  return Math.round((SKETCH_SIZE - 1) / ((largest + 1) / HASH_RANGE));
};

/** The relative standard error of the estimate: zero while it is exact, at most 1 / sqrt(k - 2) otherwise. */
export const distinctError = (sketch: DistinctSketch): number =>
  sketch.length < SKETCH_SIZE ? 0 : 1 / Math.sqrt(SKETCH_SIZE - 2);
