import { lnGamma } from './special.js';

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

const logCoefficient = (counts: readonly number[]): number =>
  lnGamma(sum(counts) + 1) - sum(counts.map((count) => lnGamma(count + 1)));

/** Logarithm of the Dirichlet-multinomial probability of the counts under the given concentration. */
export const logDirichletMultinomial = (counts: readonly number[], concentration: readonly number[]): number => {
  const total = sum(concentration);
  const ratio = sum(concentration.map((a, i) => lnGamma(a + (counts[i] ?? 0)) - lnGamma(a)));
  return logCoefficient(counts) + lnGamma(total) - lnGamma(total + sum(counts)) + ratio;
};

/** Logarithm of the multinomial probability of the counts. */
export const logMultinomial = (counts: readonly number[], probabilities: readonly number[]): number =>
  logCoefficient(counts) + sum(counts.map((count, i) => (count === 0 ? 0 : count * Math.log(probabilities[i] ?? 0))));

/**
 * Logarithm of the e-value that assignment counts do not follow the configured shares: a Dirichlet of total mass `mass`
 * around the shares against the shares themselves (Lindon and Malek). An e-process over growing counts.
 */
export const logAssignmentE = (counts: readonly number[], shares: readonly number[], mass: number): number =>
  logDirichletMultinomial(
    counts,
    shares.map((share) => share * mass),
  ) - logMultinomial(counts, shares);
