import { describe, expect, it } from 'vitest';
import { withBefore } from './before.js';

const since = { candidateBad: 1, candidateRequests: 20, controlBad: 0, controlRequests: 0 };
const nothing = { ...since, candidateBad: 0, candidateRequests: 0 };
const past = { signal: 'overloads', model: 'sonnet', requests: 500, bad: 40, valueCount: 0, valueSum: 0 };

describe('what a source counted before a rollout', () => {
  it('stands in the place of control, slice by slice', () => {
    const counts = [{ target: 'api-us', model: 'sonnet', ...since }];
    expect(withBefore(counts, 'overloads', [{ ...past, target: 'api-us' }])).toEqual([
      { ...counts[0], controlBad: 40, controlRequests: 500 },
    ]);
  });

  it('weighs nothing on a slice of which nothing was counted since: it may be worse by itself', () => {
    const counts = [
      { target: 'api-us', model: 'sonnet', ...since },
      { target: 'bedrock-us', model: 'sonnet', ...nothing },
    ];
    const totals = ['api-us', 'bedrock-us'].map((target) => ({ ...past, target }));
    expect(withBefore(counts, 'overloads', totals)[1]).toEqual(counts[1]);
  });
});
