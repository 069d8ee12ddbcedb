import { describe, expect, it } from 'vitest';
import {
  hypergeometricLogE,
  limitCandidateRequests,
  logAssignmentE,
  logDirichletMultinomial,
  logMultinomial,
  windowLogE,
} from '#libs/statistics';
import published from './statistics.json' with { type: 'json' };

type Vector = {
  readonly name: string;
  readonly expected?: number;
  readonly computed: number | readonly number[];
  readonly tol?: number;
};
const vectors: readonly Vector[] = published.vectors;

const vector = (name: string): Vector => {
  const found = vectors.find((each) => each.name === name);
  if (found === undefined) throw new Error(`No published vector is called "${name}".`);
  return found;
};

const single = (name: string): number => {
  const { computed } = vector(name);
  if (typeof computed !== 'number') throw new Error(`The vector "${name}" is not a single number.`);
  return computed;
};

const agrees = (name: string, value: number): void => {
  const { expected, tol = 1e-9 } = vector(name);
  if (expected !== undefined) expect(Math.abs(value - expected)).toBeLessThan(tol);
  expect(Math.abs(value - single(name))).toBeLessThan(1e-9);
};

/** The number of observations after which the chance of a false alarm at 5% is first used up, by published totals. */
const stopsAt = (name: string, counts: readonly number[]): void =>
  agrees(
    name,
    counts.reduce((a, b) => a + b, 0),
  );

describe('published values of independent implementations are reproduced', () => {
  const batches = [
    [20, 17, 9],
    [18, 21, 8],
    [4, 6, 4],
    [18, 19, 11],
  ];

  it.each([1, 2, 3, 4])('the Dirichlet marginal and the null likelihood after batch %i', (last) => {
    let prior = [1, 1, 1];
    let [marginal, none] = [0, 0];
    for (const counts of batches.slice(0, last)) {
      marginal += logDirichletMultinomial(counts, prior);
      none += logMultinomial(counts, [0.4, 0.4, 0.2]);
      prior = prior.map((mass, i) => mass + (counts[i] ?? 0));
    }
    agrees(`Dirichlet(1,1,1) log marginal after batch ${last}`, marginal);
    agrees(`null log likelihood after batch ${last}`, none);
  });

  it('the Bayes factor of assignment counts at a large mass', () => {
    agrees(
      'regression Bayes factor, counts [2, 1, 7], k=10000',
      Math.exp(logAssignmentE([2, 1, 7], [0.1, 0.5, 0.4], 1e4)),
    );
  });

  it('a mismatch of assignment shares is found at the published observation and not one earlier', () => {
    const counts = [40, 129, 233];
    const shares = [0.1, 0.4, 0.5];
    stopsAt('multinomial SRM stop n (counts [40, 129, 233])', counts);
    agrees('multinomial SRM p at stop', Math.exp(-logAssignmentE(counts, shares, 100)));
  });

  it('a two-arm canary stops with the published p-value and rate ratio', () => {
    const counts = [148, 62];
    stopsAt('two-arm Poisson canary stop n (counts [148, 62])', counts);
    agrees('two-arm Poisson canary p at stop', Math.exp(-logAssignmentE(counts, [0.8, 0.2], 100)));
    agrees('log rate ratio estimate', Math.log((62 / 148) * (0.8 / 0.2)));
  });

  it('the published interval of the two-arm rate ratio ends where the evidence is 20', () => {
    const ends = vector('Lindon-Malek 95% CS for log ratio at this n (no running intersection)').computed;
    for (const logRatio of typeof ends === 'number' ? [] : ends) {
      const candidate = 0.2 * Math.exp(logRatio);
      const shares = [0.8 / (0.8 + candidate), candidate / (0.8 + candidate)];
      const logE = logDirichletMultinomial([148, 62], [80, 20]) - logMultinomial([148, 62], shares);
      expect(Math.abs(logE - Math.log(20))).toBeLessThan(1e-9);
    }
  });

  it('three arms against "the third is not better than the first" stop with the published p-value', () => {
    const counts = [15, 82, 205];
    stopsAt('three-arm Bernoulli composite null stop n', counts);
    // Likeliest harmless rates: the first and third arm alike, shares 0.1 and 0.6 of their pooled successes.
    const pooled = 220 / 302;
    const harmless = [pooled / 7, 82 / 302, (pooled * 6) / 7];
    const marginal = logDirichletMultinomial(counts, [10, 30, 60]);
    agrees('three-arm Bernoulli p at stop', Math.exp(logMultinomial(counts, harmless) - marginal));
  });

  it('the evidence of a window, of a Dirichlet mixture, and the information limit', () => {
    agrees('window_loglr xc=7 xb=20 rho=.1 g=3 r0=1.2', windowLogE(7, 20, 0.1, 3, 1.2));
    const counts = { candidateBad: 7, candidate: 100, controlBad: 20, control: 900 };
    agrees('hyper_loglr xc=7 nc=100 xb=20 nb=900 odds=3', hypergeometricLogE(counts, 3));
    agrees('dirichlet_logbf xc=30 xb=170 rho=.1 k=10', logAssignmentE([30, 170], [0.1, 0.9], 10));
    const limit = limitCandidateRequests({ control: 0.001, candidate: 0.01, rho: 0.1, alpha: 1e-3 });
    agrees('limit_canary_requests p0=.001 p1=.01 rho=.1 alpha=1e-3', limit);
  });

  it('every published vector is checked here', () => {
    expect(vectors).toHaveLength(21);
  });
});
