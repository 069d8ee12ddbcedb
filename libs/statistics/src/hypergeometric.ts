import { lnGamma } from './special.js';

const lnChoose = (n: number, k: number): number => lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1);

/** Bad and all requests of one window by arm. */
export type WindowCounts = {
  readonly candidateBad: number;
  readonly candidate: number;
  readonly controlBad: number;
  readonly control: number;
};

/** Terms beyond this part of the largest one are below rounding. */
const NEGLIGIBLE = 1e-18;

/**
 * ln Z(odds), Z = sum over k of C(n_c, k) C(n_b, x-k) odds^k: the normaliser of Fisher's non-central hypergeometric
 * distribution. Terms have one peak; they are summed from it outwards until they no longer count.
 */
const lnNormaliser = (candidate: number, control: number, bad: number, odds: number): number => {
  const low = Math.max(0, bad - control);
  const high = Math.min(bad, candidate);
  const grows = (k: number): boolean => (candidate - k) * (bad - k) * odds > (k + 1) * (control - bad + k + 1);
  let [from, to] = [low, high];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    if (grows(middle)) from = middle + 1;
    else to = middle;
  }
  const peak = from;
  let sum = 1;
  for (let k = peak, term = 1; k < high && term > NEGLIGIBLE; k += 1) {
    term *= ((candidate - k) * (bad - k) * odds) / ((k + 1) * (control - bad + k + 1));
    sum += term;
  }
  for (let k = peak, term = 1; k > low && term > NEGLIGIBLE; k -= 1) {
    term *= (k * (control - bad + k)) / ((candidate - k + 1) * (bad - k + 1) * odds);
    sum += term;
  }
  return lnChoose(candidate, peak) + lnChoose(control, bad - peak) + peak * Math.log(odds) + Math.log(sum);
};

/**
 * Logarithm of the e-value of one window for "the odds ratio is `o0` g" against "it is `o0`", given all bad requests and
 * the sizes of both arms (Fisher's non-central hypergeometric distribution): exact for rates of any height, where the
 * binomial of rare events gives away a factor 1/(1-p). 0 where an arm is empty or all requests are alike.
 */
export const hypergeometricLogE = (counts: WindowCounts, g: number, o0 = 1): number => {
  const { candidateBad, candidate, controlBad, control } = counts;
  const bad = candidateBad + controlBad;
  if (candidate <= 0 || control <= 0 || bad === 0 || bad === candidate + control) return 0;
  const ofNull = lnNormaliser(candidate, control, bad, o0);
  return candidateBad * Math.log(g) - (lnNormaliser(candidate, control, bad, o0 * g) - ofNull);
};
