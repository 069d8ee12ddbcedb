import { describe, expect, it } from 'vitest';
import { aRollout } from '#libs/testing';
import { violationsOfArms, type ViolationGroup } from './index.js';

const CONFIG = 'router.context';
/** Brings revision 2 of `router.context` in place of revision 1. */
const { rollout } = aRollout();

const seen = (revisions: Readonly<Record<string, number>>, violations = 1, target = 'api-us'): ViolationGroup => ({
  target,
  revisions,
  violations,
});

describe('what is held against control', () => {
  it('is what it served itself, before the rollout and beside it, on any target of the rollout', () => {
    const elsewhere = [seen({ [CONFIG]: 1 }, 3), seen({ [CONFIG]: 1 }, 2, 'bedrock-us')];
    expect(violationsOfArms(rollout, { candidate: 1, elsewhere })).toEqual({ candidate: 1, controlInLookback: 5 });
  });

  it('is not what a revision did that was withdrawn, or that is no control here', () => {
    const elsewhere = [seen({ [CONFIG]: 5 }, 40), seen({ [CONFIG]: 5 }, 2, 'bedrock-us')];
    expect(violationsOfArms(rollout, { candidate: 1, elsewhere })).toEqual({ candidate: 1, controlInLookback: 0 });
  });

  it('is what was served without any revision of the config', () => {
    expect(violationsOfArms(rollout, { candidate: 0, elsewhere: [seen({ sampler: 4 })] })).toEqual({
      candidate: 0,
      controlInLookback: 1,
    });
  });

  it('is told by the control that each target has', () => {
    const { rollout: mixed } = aRollout(undefined, { controls: { 'api-us': 1, 'api-eu': 5, 'bedrock-us': 1 } });
    const elsewhere = [seen({ [CONFIG]: 5 }, 1, 'api-us'), seen({ [CONFIG]: 5 }, 1, 'api-eu')];
    expect(violationsOfArms(mixed, { candidate: 0, elsewhere }).controlInLookback).toBe(1);
  });
});
