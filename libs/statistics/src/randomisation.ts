/** One bin of a histogram of values: how many on each arm, and the score that all of them get. */
export type ScoredBin = { readonly candidate: number; readonly control: number; readonly score: number };

/** Bets on the size of a shift, in standard deviations, equally weighted: part of method `means-bet-v1`. */
export const SHIFT_BETS: readonly number[] = [0.03, 0.06, 0.12, 0.25, 0.5, 1, 2];

/** What scores of earlier windows were on average, and as how many scores of this one that counts. */
export type PastScores = { readonly mean: number; readonly weight: number };

const NO_PAST: PastScores = { mean: 0, weight: 0 };

/**
 * The scores of a window less their mean over both arms and the past, so that a small error in the share is of second
 * order. Without a past a window of one score tells nothing, and one of two only half of what it could.
 */
export const centred = (bins: readonly ScoredBin[], past: PastScores = NO_PAST): readonly ScoredBin[] => {
  let count = past.weight;
  let sum = past.weight * past.mean;
  for (const { candidate, control, score } of bins) {
    count += candidate + control;
    sum += (candidate + control) * score;
  }
  const mean = count === 0 ? 0 : sum / count;
  return bins.map((bin) => ({ ...bin, score: bin.score - mean }));
};

/**
 * Logarithm of the e-value of one window for "high scores go to the candidate" at bet `lambda` against "labels are
 * independent coins with candidate share `rho`": lambda times the candidate's scores, less what that is worth on
 * average over all labellings. Exact for any distribution and any drift, with no variance to estimate; the null is that
 * the candidate changes no value. Scores and lambda may depend on earlier windows and on the values of this one, not on
 * its labels.
 */
export const randomisationLogE = (bins: readonly ScoredBin[], rho: number, lambda: number): number => {
  if (rho <= 0 || rho >= 1) return 0;
  let logE = 0;
  for (const { candidate, control, score } of bins) {
    if (candidate + control === 0) continue;
    const gain = lambda * score;
    // ln(1 - rho + rho e^gain), kept exact for gains that are large.
    const worth = gain > 0 ? gain + Math.log(rho + (1 - rho) * Math.exp(-gain)) : Math.log1p(rho * Math.expm1(gain));
    logE += candidate * gain - (candidate + control) * worth;
  }
  return logE;
};

/** The same for every bet of the list. */
export const randomisationLogEs = (bins: readonly ScoredBin[], rho: number, lambdas: readonly number[]): Float64Array =>
  Float64Array.from(lambdas, (lambda) => randomisationLogE(bins, rho, lambda));
