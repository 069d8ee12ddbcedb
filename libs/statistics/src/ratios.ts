import { PROMOTION_GRID } from './grid.js';

const STEP = 1.12;
const BELOW_ONE = 14;
const LATTICE_SIZE = 64;

/** Ratios of a confidence sequence: 64 of them, 12% apart, from 0.2 to 258, with 1 among them. */
export const RATIO_LATTICE: readonly number[] = Array.from({ length: LATTICE_SIZE }, (_, j) => STEP ** (j - BELOW_ONE));

/** Lattice steps from a tested ratio to the alternatives beyond it, equally weighted. */
const OFFSETS: readonly number[] = [1, 2, 3, 5, 8, 12, 18, 27];

/** The ratios whose likelihood is kept: the lattice, then for each promotion margin the margin and its alternatives. */
export type RatioScale = {
  readonly ratios: Float64Array;
  readonly logRatios: Float64Array;
  readonly margins: readonly number[];
};

/** The ratios to keep for a rollout whose stages ask for these margins, each above 1. */
export const ratioScale = (margins: readonly number[]): RatioScale => {
  const distinct = [...new Set(margins)].toSorted((a, b) => a - b);
  const ratios = Float64Array.from([
    ...RATIO_LATTICE,
    ...distinct.flatMap((m) => [m, ...PROMOTION_GRID.map((a) => m * a)]),
  ]);
  return { ratios, logRatios: ratios.map(Math.log), margins: distinct };
};

/** ln(rho r + 1 - rho) for each kept ratio r: what each event costs it at this share. */
export const mixingCosts = (scale: RatioScale, rho: number): Float64Array =>
  scale.ratios.map((r) => Math.log(rho * r + 1 - rho));

/**
 * Adds events to S(r) = sum of x_c ln r - x ln(rho r + 1 - rho), the logarithm of the conditional likelihood of ratio r.
 * Any test of ratio a against ratio b is exp(S(a) - S(b)); sums over slices are stratified.
 */
export const addToLikelihood = (
  likelihood: Float64Array,
  scale: RatioScale,
  costs: Float64Array,
  candidateBad: number,
  controlBad: number,
): void => {
  const events = candidateBad + controlBad;
  const logRatios = scale.logRatios;
  for (let j = 0; j < likelihood.length; j += 1) {
    likelihood[j] = (likelihood[j] ?? 0) + candidateBad * (logRatios[j] ?? 0) - events * (costs[j] ?? 0);
  }
};

const refuted = (likelihood: Float64Array, index: number, direction: 1 | -1, bound: number): boolean => {
  const base = likelihood[index] ?? 0;
  const enough = bound * OFFSETS.length;
  let sum = 0;
  for (const offset of OFFSETS) {
    const at = index + direction * offset;
    if (at >= 0 && at < LATTICE_SIZE) sum += Math.exp((likelihood[at] ?? 0) - base);
    if (sum >= enough) return true;
  }
  return false;
};

/**
 * The first step of the lattice that passes a test which all later ones pass too. Refutation is such a test: S is
 * concave in ln r, so what speaks for the ratios beyond a tested one only shrinks as that one moves towards them.
 */
const firstThat = (passes: (index: number) => boolean): number => {
  let [low, high] = [0, LATTICE_SIZE];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
};

/**
 * A confidence sequence of the ratio at level 1 - alpha, valid at every look at once (Howard et al.): the ratios that no
 * one-sided mixture beyond them refutes at alpha/2. A side the evidence does not bound within 0.2..258 is null.
 */
export const confidenceSequence = (
  likelihood: Float64Array,
  alpha: number,
): readonly [low: number | null, high: number | null] => {
  const bound = 2 / alpha;
  const low = firstThat((index) => !refuted(likelihood, index, 1, bound));
  const high = LATTICE_SIZE - 1 - firstThat((index) => !refuted(likelihood, LATTICE_SIZE - 1 - index, -1, bound));
  return [RATIO_LATTICE[low - 1] ?? null, RATIO_LATTICE[high + 1] ?? null];
};

/** The most likely ratio, refined between lattice points; null where the likelihood has no peak inside the lattice. */
export const likeliestRatio = (likelihood: Float64Array): number | null => {
  let best = 0;
  for (let j = 1; j < LATTICE_SIZE; j += 1) if ((likelihood[j] ?? 0) > (likelihood[best] ?? 0)) best = j;
  const [left, peak, right] = [likelihood[best - 1], likelihood[best] ?? 0, likelihood[best + 1]];
  if (left === undefined || right === undefined || best === LATTICE_SIZE - 1) return null;
  const curvature = left - 2 * peak + right;
  const shift = curvature === 0 ? 0 : (left - right) / (2 * curvature);
  return STEP ** (best - BELOW_ONE + shift);
};

/**
 * Logarithm of the e-value for "the ratio is below `margin`" against "it is at least that": an equal mixture over the
 * promotion grid. Going on at 1/alpha lets an intolerable ratio through with chance alpha at most, at any look.
 * Throws a RangeError for a margin that is not on the scale.
 */
export const logPromotion = (likelihood: Float64Array, scale: RatioScale, margin: number): number => {
  const index = scale.margins.indexOf(margin);
  if (index < 0) {
    throw new RangeError(
      `Margin ${margin} was not declared when the evidence started: declare it among ${scale.margins.join(', ')}.`,
    );
  }
  const at = LATTICE_SIZE + index * (PROMOTION_GRID.length + 1);
  const base = likelihood[at] ?? 0;
  const end = at + 1 + PROMOTION_GRID.length;
  let top = Number.NEGATIVE_INFINITY;
  for (let j = at + 1; j < end; j += 1) top = Math.max(top, (likelihood[j] ?? 0) - base);
  let sum = 0;
  for (let j = at + 1; j < end; j += 1) sum += Math.exp((likelihood[j] ?? 0) - base - top);
  return top + Math.log(sum / PROMOTION_GRID.length);
};
