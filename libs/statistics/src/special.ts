const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** Natural logarithm of the gamma function for x > 0 (Lanczos, g = 7), about 14 digits. */
export const lnGamma = (x: number): number => {
  const shifted = x - 1;
  const t = shifted + 7.5;
  let sum = LANCZOS[0] ?? 0;
  for (let i = 1; i < LANCZOS.length; i += 1) sum += (LANCZOS[i] ?? 0) / (shifted + i);
  return 0.5 * Math.log(2 * Math.PI) + (shifted + 0.5) * Math.log(t) - t + Math.log(sum);
};

/** ln(e^a + e^b) without overflow. */
export const logAddExp = (a: number, b: number): number => {
  const high = Math.max(a, b);
  if (high === Number.NEGATIVE_INFINITY) return high;
  return high + Math.log1p(Math.exp(Math.min(a, b) - high));
};

/** ln of the sum of exponentials; minus infinity for an empty list. */
export const logSumExp = (values: Iterable<number>): number => {
  const list = [...values];
  const high = Math.max(...list);
  if (list.length === 0 || high === Number.NEGATIVE_INFINITY) return Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const value of list) sum += Math.exp(value - high);
  return high + Math.log(sum);
};

const TINY = 1e-300;
const notZero = (x: number): number => (Math.abs(x) < TINY ? TINY : x);

/** Lentz's method for the continued fraction of the incomplete beta function. */
const betaFraction = (x: number, a: number, b: number): number => {
  let c = 1;
  let d = 1 / notZero(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 500; m += 1) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / notZero(1 + even * d);
    c = notZero(1 + even / c);
    fraction *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / notZero(1 + odd * d);
    c = notZero(1 + odd / c);
    fraction *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return fraction;
};

/** Regularised incomplete beta function I_x(a, b): the distribution function of Beta(a, b). */
export const betaDistribution = (x: number, a: number, b: number): number => {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const front = Math.exp(lnGamma(a + b) - lnGamma(a) - lnGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  return x < (a + 1) / (a + b + 2) ? (front * betaFraction(x, a, b)) / a : 1 - (front * betaFraction(1 - x, b, a)) / b;
};

/** P(N(0, 1) > z): by the continued fraction of Mills's ratio in the tail, by its power series in the middle; 1e-12. */
const normalAbove = (z: number): number => {
  if (z < 0) return 1 - normalAbove(-z);
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z > 3) {
    let fraction = z;
    for (let i = 80; i >= 1; i -= 1) fraction = z + i / fraction;
    return density / fraction;
  }
  let term = z;
  let sum = z;
  for (let i = 3; Math.abs(term) > 1e-17 * sum && i < 400; i += 2) {
    term *= (z * z) / i;
    sum += term;
  }
  return 0.5 - density * sum;
};

/** From here on the terms would be too many. */
const MOST_SUMMED = 10_000;

/** P(Gamma(a) <= x) for large a: Temme's uniform expansion to its second term (DLMF 8.12), relative error about 1/a. */
const gammaBelow = (a: number, x: number): number => {
  const excess = (x - a) / a;
  // mu - ln(1 + mu) loses all its digits near 0; its series has them.
  const half =
    Math.abs(excess) < 1e-3 ? excess ** 2 * (1 / 2 - excess / 3 + excess ** 2 / 4) : excess - Math.log1p(excess);
  const eta = Math.sign(excess) * Math.sqrt(2 * half);
  const correction = Math.abs(excess) < 1e-4 ? -1 / 3 + excess / 12 : 1 / excess - 1 / eta;
  const rest = (Math.exp(-a * half) / Math.sqrt(2 * Math.PI * a)) * correction;
  return Math.min(1, Math.max(0, normalAbove(-eta * Math.sqrt(a)) - rest));
};

/**
 * P(Poisson(mean) >= k): up to some ten thousand events by summing the terms, exact up to rounding; above that, where the
 * terms are too many, by the incomplete gamma function of large arguments. Takes microseconds whatever the counts.
 */
export const poissonAtLeast = (k: number, mean: number): number => {
  if (k <= 0) return 1;
  if (mean <= 0) return 0;
  if (k > MOST_SUMMED) return gammaBelow(k, mean);
  if (mean > 2 * MOST_SUMMED) return 1;
  const start = k > mean ? k : k - 1;
  const step = k > mean ? 1 : -1;
  let term = Math.exp(start * Math.log(mean) - mean - lnGamma(start + 1));
  let sum = 0;
  for (let i = start; i >= 0 && (term > sum * 1e-17 || sum === 0) && term > 0; i += step) {
    sum += term;
    term = step === 1 ? (term * mean) / (i + 1) : (term * i) / mean;
  }
  return k > mean ? Math.min(1, sum) : Math.max(0, 1 - sum);
};

/** Distribution function of the standard normal, by Marsaglia's series; beyond 8 deviations 0 or 1. */
export const normalDistribution = (x: number): number => {
  if (Math.abs(x) > 8) return x > 0 ? 1 : 0;
  let [sum, term] = [x, x];
  for (let k = 3; Math.abs(term) > 1e-17; k += 2) {
    term *= (x * x) / k;
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
};

/** The value that a standard normal stays below with this chance, to about 1e-9. */
export const normalQuantile = (chance: number): number => {
  let [low, high] = [-8, 8];
  for (let step = 0; step < 40; step += 1) {
    const middle = (low + high) / 2;
    if (normalDistribution(middle) < chance) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};
