import { logSumExp } from './special.js';

/** The same work done on two sides: how often, and in how many of these pairs only one of the two was bad. */
export type PairedCounts = { readonly pairs: number; readonly leftOnly: number; readonly rightOnly: number };

/** Chance at most that parity is said to be shown although the sides differ by the margin or more. */
export const PARITY_ALPHA = 0.05;
/** Chance at most that the sides are said to differ by more than the margin although they do not. */
export const DISPARITY_ALPHA = 0.01;

/**
 * Bets, as parts of the largest one that cannot lose everything; equally weighted, part of method `parity-bet-v1`. With
 * them parity takes 1.6 to 2.1 times the pairs that the best single bet, known only afterwards, would take (margins of
 * 0.5% to 50%, 0% to 100% of pairs differing); twice as many bets, or half as many, are no better.
 */
export const PARITY_BETS: readonly number[] = [0.002, 0.005, 0.011, 0.027, 0.065, 0.16, 0.38, 0.9];

const concordant = ({ pairs, leftOnly, rightOnly }: PairedCounts): number => pairs - leftOnly - rightOnly;

/** The same pairs seen from the other side: differences change their sign. */
const mirrored = ({ pairs, leftOnly, rightOnly }: PairedCounts): PairedCounts => ({
  pairs,
  leftOnly: rightOnly,
  rightOnly: leftOnly,
});

const ofTimes = (times: number, factor: number): number => (times === 0 ? 0 : times * Math.log(factor));

/**
 * Natural logarithm of the e-value against "the left side is bad at least `difference` more often than the right one"
 * (between -1 and 1): the mean over the bets λ, parts of 1/(1-m), of Π(1 + λ(m - x)), where x is 1, -1 or 0 for each
 * pair. Under the hypothesis no bet is expected to win, whatever came before, so the product may be looked at after every
 * pair (Waudby-Smith and Ramdas 2023, betting on a bounded mean). It depends on the counts alone, not on their order.
 */
export const logBelow = (counts: PairedCounts, difference: number): number => {
  const gains = PARITY_BETS.map((part) => {
    const bet = part / (1 - difference);
    return (
      ofTimes(concordant(counts), 1 + bet * difference) +
      ofTimes(counts.leftOnly, 1 - part) +
      ofTimes(counts.rightOnly, 1 + bet * (difference + 1))
    );
  });
  return logSumExp(gains) - Math.log(gains.length);
};

/** Natural logarithm of the e-value against "the left side is bad at most `difference` more often": the mirror image. */
export const logAbove = (counts: PairedCounts, difference: number): number => logBelow(mirrored(counts), -difference);

/**
 * Evidence that the difference lies within the margin: both sides have to be shown, so the weaker one counts
 * (intersection-union). Natural logarithm of an e-value.
 */
export const logParity = (counts: PairedCounts, margin: number): number =>
  Math.min(logBelow(counts, margin), logAbove(counts, -margin));

/** Evidence that the difference lies outside the margin, on one side of it; each side is a test of its own. */
export const logDisparity = (counts: PairedCounts, margin: number): number =>
  Math.max(logAbove(counts, margin), logBelow(counts, -margin));

export type ParityVerdict = 'pass' | 'fail' | 'inconclusive' | 'not-measured';

/** How two sides stand by all their pairs. A `fail` and a `pass` can not both be shown. */
export const parityOf = (counts: PairedCounts, margin: number): ParityVerdict => {
  if (counts.pairs === 0) return 'not-measured';
  // Two tests can err in this direction, one for each side.
  if (logDisparity(counts, margin) >= Math.log(2 / DISPARITY_ALPHA)) return 'fail';
  return logParity(counts, margin) >= Math.log(1 / PARITY_ALPHA) ? 'pass' : 'inconclusive';
};

/** Differences are told in steps of a basis point. */
const STEPS = 10_000;

/** The least step at which a growing function of the difference reaches `bound`; the last one if none does. */
const firstStep = (grown: (difference: number) => number, bound: number): number => {
  let [low, high] = [-STEPS, STEPS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (grown(middle / STEPS) < bound) low = middle;
    else high = middle;
  }
  return high;
};

/**
 * Confidence sequence of the difference (left minus right), rounded outwards to basis points: the differences that
 * neither test refutes. Each end is wrong at any time with a chance of at most alpha / 2. At twice the alpha of parity
 * it lies within the margin exactly when parity is shown, up to rounding.
 */
export const differenceSequence = (counts: PairedCounts, alpha: number): readonly [number, number] => {
  const bound = Math.log(2 / alpha);
  const upper = firstStep((difference) => logBelow(counts, difference), bound);
  const lower = firstStep((difference) => logAbove(counts, -difference), bound);
  return [-lower / STEPS, upper / STEPS];
};

/** No work is done so often. */
const MOST_PAIRS = 1e12;

/**
 * Chance makes the weaker of the two sides wait: on average parity takes 1.4 to 1.6 times the pairs of the expected path
 * (simulated, margins of 1% to 10%, 2% to 30% of pairs differing).
 */
const OVER_PATH = 1.5;

/**
 * Pairs that it takes on average to show parity when both sides are equally good and the part `discordant` of the pairs
 * differs; null when it can not be shown.
 */
export const pairsToShow = (margin: number, discordant: number): number | null => {
  const shown = (pairs: number): boolean => {
    const one = (pairs * discordant) / 2;
    return logParity({ pairs, leftOnly: one, rightOnly: one }, margin) >= Math.log(1 / PARITY_ALPHA);
  };
  if (margin <= 0 || margin >= 1 || !shown(MOST_PAIRS)) return null;
  let [low, high] = [0, MOST_PAIRS];
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (shown(middle)) high = middle;
    else low = middle;
  }
  return discordant === 0 ? high : Math.ceil(high * OVER_PATH);
};
