/** Longer silence than this never counts, however long the bake is. */
const MOST_MS = 10_000;
const PART_OF_BAKE = 1 / 4;

/**
 * How long after the last outcomes a bake goes on, in ms: a quarter of it, at most ten seconds and never beyond the
 * grace. So no silence fills a bake, and fleets with little traffic do not stop a long one.
 */
export const toleratedSilenceMs = (bakeMs: number, graceMs: number): number =>
  Math.min(MOST_MS, graceMs, bakeMs * PART_OF_BAKE);
