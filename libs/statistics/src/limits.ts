import { betaDistribution } from './special.js';

const term = (p: number, q: number): number => (p === 0 ? 0 : p * Math.log(p / q));

/** Kullback-Leibler divergence of Bernoulli(p) from Bernoulli(q), in nats. */
export const klBernoulli = (p: number, q: number): number => term(p, q) + term(1 - p, 1 - q);

/** The point of [low, high] where a unimodal function is least, to a relative 1e-12 (golden section). */
const argMin = (f: (x: number) => number, low: number, high: number): number => {
  const golden = (Math.sqrt(5) - 1) / 2;
  let [a, b] = [low, high];
  for (let i = 0; i < 90 && b - a > 1e-14 * b; i += 1) {
    const [left, right] = [b - golden * (b - a), a + golden * (b - a)];
    if (f(left) < f(right)) b = right;
    else a = left;
  }
  return (a + b) / 2;
};

export type LimitOf = {
  /** Bad rate on control and on the candidate, per request. */
  readonly control: number;
  readonly candidate: number;
  /** Candidate share of the requests, between 0 and 1. */
  readonly rho: number;
  readonly alpha: number;
  /** Tolerated ratio, default 1. */
  readonly harm?: number;
};

/**
 * The fewest candidate requests, in expectation, with which any test that errs with chance alpha at most can find the
 * harm when the common base rate is unknown: ln(1/alpha) over the least divergence from a harmless pair of rates
 * (harm p, p), by Wald's identity and data processing.
 */
export const limitCandidateRequests = ({ control, candidate, rho, alpha, harm = 1 }: LimitOf): number => {
  const perRequest = (p: number): number =>
    rho * klBernoulli(candidate, harm * p) + (1 - rho) * klBernoulli(control, p);
  const worst =
    harm === 1
      ? rho * candidate + (1 - rho) * control
      : argMin(
          perRequest,
          Math.min(control, candidate / harm),
          Math.min(Math.max(control, candidate / harm), (1 - 1e-12) / harm),
        );
  return (rho * Math.log(1 / alpha)) / perRequest(worst);
};

const bisect = (low: number, high: number, isBelow: (x: number) => boolean): number => {
  let [a, b] = [low, high];
  for (let i = 0; i < 200 && b - a > 1e-15; i += 1) {
    const middle = (a + b) / 2;
    if (isBelow(middle)) a = middle;
    else b = middle;
  }
  return (a + b) / 2;
};

/** Exact one-sided lower limit of a probability from `hits` in `trials` (Clopper and Pearson). */
export const exactLower = (hits: number, trials: number, confidence: number): number =>
  hits === 0 ? 0 : bisect(0, 1, (p) => betaDistribution(p, hits, trials - hits + 1) < 1 - confidence);

/** Exact one-sided upper limit of a probability from `hits` in `trials` (Clopper and Pearson). */
export const exactUpper = (hits: number, trials: number, confidence: number): number =>
  hits === trials ? 1 : bisect(0, 1, (p) => betaDistribution(p, hits + 1, trials - hits) < confidence);
