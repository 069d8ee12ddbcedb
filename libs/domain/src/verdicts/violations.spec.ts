import { describe, expect, it } from 'vitest';
import { aRollout } from '#libs/testing';
import { violationsOfArms, type OnTrial, type ViolationGroup } from './index.js';

const CONFIG = 'router.context';
const [control, candidate, withdrawn] = [1, 2, 5];
/** Brings revision 2 of `router.context` to 1% in place of revision 1. */
const { rollout } = aRollout();

/** Revision 4 of the sampler is on trial everywhere, its revision 3 is what settled. */
const sampler =
  (shareBp: number, isJudged = true): OnTrial =>
  (_target, config, revision) =>
    config === 'sampler' && revision === 4 ? { shareBp, isJudgedBy: () => isJudged } : undefined;
const onTrial = sampler(100);
const ON_TRIAL = 'revision 4 of sampler';

const seen = (router: number | null, sampler = 3, violations = 1, target = 'api-us'): ViolationGroup => ({
  target,
  revisions: { sampler, ...(router === null ? {} : { [CONFIG]: router }) },
  violations,
});
const divided = (onCandidate: readonly ViolationGroup[], ...elsewhere: readonly ViolationGroup[]) =>
  violationsOfArms(rollout, 'wrong-pool', { candidate: onCandidate, elsewhere }, onTrial);

describe('what is held against control', () => {
  it('is what it served itself, before the rollout and beside it, on any target of the rollout', () => {
    const { controlInLookback } = divided([], seen(control, 3, 3), seen(control, 2, 2, 'bedrock-us'));
    expect(controlInLookback).toBe(5);
  });

  it('is not what a revision did that was withdrawn, or that is no control here', () => {
    expect(divided([seen(candidate)], seen(withdrawn, 3, 40), seen(withdrawn, 3, 2, 'bedrock-us'))).toEqual({
      candidate: 1,
      controlInLookback: 0,
      explained: 0,
      suspects: [],
    });
  });

  it('is what was served without any revision of the config', () => {
    expect(divided([], seen(null)).controlInLookback).toBe(1);
  });

  it('is told by the control that each target has', () => {
    const { rollout: mixed } = aRollout(undefined, { controls: { 'api-us': 1, 'api-eu': 5, 'bedrock-us': 1 } });
    const elsewhere = [seen(5, 3, 1, 'api-us'), seen(5, 3, 1, 'api-eu')];
    expect(violationsOfArms(mixed, 'wrong-pool', { candidate: [], elsewhere }, onTrial).controlInLookback).toBe(1);
  });

  it('is not what it did on requests that another change on trial served as well', () => {
    expect(divided([], seen(control, 4, 7)).controlInLookback).toBe(0);
  });
});

describe('a violation on the candidate', () => {
  it('is explained by another change on trial with which control violates the invariant too', () => {
    expect(divided([seen(candidate, 4, 2)], seen(control, 4, 7))).toEqual({
      candidate: 0,
      controlInLookback: 0,
      explained: 2,
      suspects: [ON_TRIAL],
    });
  });

  it('is held against the candidate, and names the other change, while control was not seen to do the same', () => {
    expect(divided([seen(candidate, 4)])).toMatchObject({ candidate: 1, explained: 0, suspects: [ON_TRIAL] });
  });

  it('is held against the candidate where the other change did not serve it, whatever that one does elsewhere', () => {
    const both = divided([seen(candidate, 3), seen(candidate, 4, 2)], seen(control, 4, 7));
    expect(both).toEqual({ candidate: 1, controlInLookback: 0, explained: 2, suspects: [] });
  });

  it('is not explained by what the other change did beside a withdrawn revision of this config', () => {
    expect(divided([seen(candidate, 4)], seen(withdrawn, 4, 9))).toMatchObject({ candidate: 1, explained: 0 });
  });

  it('is explained on every request once control alone violates the invariant', () => {
    const both = divided([seen(candidate, 3), seen(candidate, 4)], seen(control, 3));
    expect(both).toMatchObject({ candidate: 0, controlInLookback: 1, explained: 2 });
  });
});

describe('a violation on the candidates of two changes at once', () => {
  const heldUnder = (trial: OnTrial): number =>
    violationsOfArms(rollout, 'wrong-pool', { candidate: [seen(candidate, 4)], elsewhere: [] }, trial).candidate;

  it('is held against the one that fewer requests run, since the other was bound to be there', () => {
    expect(heldUnder(sampler(99))).toBe(0);
    expect(heldUnder(sampler(101))).toBe(1);
  });

  it('is held against both where their shares are equal', () => {
    expect(heldUnder(sampler(100))).toBe(1);
  });

  it('is held against the one that was taken back, whose sticky sessions are still served', () => {
    expect(heldUnder(sampler(0, false))).toBe(0);
  });

  it('is held against this one where the signal does not take the other one back', () => {
    expect(heldUnder(sampler(99, false))).toBe(1);
  });

  it('and then without the other one is held against the one that is left', () => {
    const both = { candidate: [seen(candidate, 4, 7), seen(candidate, 3)], elsewhere: [] };
    expect(violationsOfArms(rollout, 'wrong-pool', both, sampler(1))).toMatchObject({ candidate: 1, explained: 7 });
  });

  it('is shared out by the shares of the target it was seen on', () => {
    const late = aRollout().reaches('api', '50%').rollout;
    const both = { candidate: [seen(candidate, 4)], elsewhere: [] };
    expect(violationsOfArms(late, 'wrong-pool', both, sampler(4_999)).candidate).toBe(0);
    expect(violationsOfArms(late, 'wrong-pool', both, sampler(5_001)).candidate).toBe(1);
  });
});
