/** The alternatives that are bet on, as multiples of the margin: fixed, equally weighted, part of method `rate-grid-v1`. */
export const RATIO_GRID: readonly number[] = [1.05, 1.1, 1.2, 1.4, 1.7, 2.2, 3, 5, 9, 20, 60, 200];

/** The alternatives of a promotion test, as multiples of the margin that the ratio must be shown to be below. */
export const PROMOTION_GRID: readonly number[] = [0.35, 0.5, 0.65, 0.8, 0.9];

/**
 * Logarithm of the e-value of one window for "the rate ratio is `r0` g" against "it is at most `r0`" (for g < 1: "at
 * least"), given `candidateBad` and `controlBad` events at candidate share `rho`. Conditional on the events the arm of
 * each is a coin (Lindon and Malek); Poisson or independent Bernoulli events, whatever the base rate does.
 */
export const windowLogE = (candidateBad: number, controlBad: number, rho: number, g: number, r0 = 1): number => {
  if (rho <= 0 || rho >= 1) return 0;
  const events = candidateBad + controlBad;
  return candidateBad * Math.log(g) - events * Math.log((rho * r0 * g + 1 - rho) / (rho * r0 + 1 - rho));
};

/** What one bad event on either arm multiplies the wealth of each grid ratio by, at one share and margin. */
export type GridBets = {
  readonly logCandidate: Float64Array;
  readonly logControl: Float64Array;
  readonly candidate: Float64Array;
  readonly control: Float64Array;
};

/** Bets of the whole grid at candidate share `rho` and margin `r0`; can be kept for as long as the share stays. */
export const gridBets = (rho: number, r0: number): GridBets => {
  const logCandidate = Float64Array.from(RATIO_GRID, (g) => windowLogE(1, 0, rho, g, r0));
  const logControl = Float64Array.from(RATIO_GRID, (g) => windowLogE(0, 1, rho, g, r0));
  return { logCandidate, logControl, candidate: logCandidate.map(Math.exp), control: logControl.map(Math.exp) };
};
