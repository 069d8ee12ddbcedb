import { describe, expect, it } from 'vitest';
import { limitCandidateRequests } from '#libs/statistics';
import { timesTold, unavoidableOf, type Exposed } from './harm-limit.js';

const fault = { control: 0.01, candidate: 0.05, isInvariant: false };
const at = { alpha: 1e-3, travelSeconds: 2 };
const exposed = (share: number, over: Partial<Exposed> = {}): Exposed => ({
  requestsPerSecond: 1_000,
  onset: 0,
  steps: [{ at: 0, share }],
  ...over,
});
const requests = (rho: number): number => limitCandidateRequests({ control: 0.01, candidate: 0.05, rho, alpha: 1e-3 });

describe('the harm that no method avoids', () => {
  it('is what the requests of the information limit do, and those of the time that word and rollback need', () => {
    expect(unavoidableOf(fault, [exposed(0.1)], at)).toEqual({
      evidence: expect.closeTo(requests(0.1) * 0.04, 6),
      travel: expect.closeTo(1_000 * 0.1 * 0.04 * 2, 6),
    });
  });

  it('adds up what each share tells while the exposure grows', () => {
    const seconds = requests(0.1) / 100 / 2;
    const steps = [
      { at: 0, share: 0.1 },
      { at: seconds * 1_000, share: 0.5 },
    ];
    const harm = unavoidableOf(fault, [exposed(0.1, { steps })], at);
    expect(harm?.evidence).toBeCloseTo((requests(0.1) / 2 + requests(0.5) / 2) * 0.04, 6);
    expect(harm?.travel).toBeCloseTo(1_000 * 0.5 * 0.04 * 2, 6);
  });

  it('counts from the onset, and only where the fault is', () => {
    const harm = unavoidableOf(fault, [exposed(0.1, { onset: 60_000 }), exposed(0.1, { requestsPerSecond: 0 })], at);
    expect(harm?.evidence).toBeCloseTo(requests(0.1) * 0.04, 6);
  });

  it('is one answer for an invariant, whatever its rate', () => {
    const invariant = { control: 0, candidate: 0.008, isInvariant: true };
    expect(unavoidableOf(invariant, [exposed(0.01)], at)?.evidence).toBeCloseTo(1, 9);
  });

  it('is not known where the candidate was never served', () => {
    expect(unavoidableOf(fault, [exposed(0)], at)).toBeUndefined();
    expect(unavoidableOf(fault, [], at)).toBeUndefined();
  });
});

describe('what exposures tell of a fault', () => {
  it('is in proportion to what the limit needs, and nothing once nobody is on control', () => {
    const seconds = requests(0.1) / 100;
    const steps = [
      { at: 0, share: 0.1 },
      { at: 2 * seconds * 1_000, share: 1 },
    ];
    expect(timesTold(fault, [exposed(0.1, { steps })], at.alpha)).toBeCloseTo(2, 6);
  });

  it('has no end while an exposure has none', () => {
    expect(timesTold(fault, [exposed(0.1)], at.alpha)).toBe(Number.POSITIVE_INFINITY);
  });
});
