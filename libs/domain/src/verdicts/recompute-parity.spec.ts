import { describe, expect, it } from 'vitest';
import type { RolloutEvent } from '../events/index.js';
import { judgeCounts } from '../rollout/index.js';
import { recomputeParities } from './index.js';

const asked = { signal: 'golden-answers', between: ['api', 'bedrock'] as [string, string], withinBp: 200 };
const parity = {
  ...judgeCounts('vertex', asked, { pairs: 2_000, leftOnly: 5, rightOnly: 6 }),
  sentence: 'parity of api and bedrock is shown',
};
const recorded = (change: Partial<typeof parity> = {}) => {
  const event: RolloutEvent = { type: 'ParityJudged', data: { rollout: 'ro-1', parity: { ...parity, ...change } } };
  return { position: 7, at: 0, event };
};

describe('a judgement of parity that is computed again', () => {
  it('comes out the same from its counts', () => {
    expect(recomputeParities([recorded()])).toMatchObject([{ position: 7, differs: [], skipped: null }]);
  });

  it.each<[string, Partial<typeof parity>, RegExp]>([
    ['counts', { counts: { pairs: 2_000, leftOnly: 5, rightOnly: 90 } }, /verdict fail/],
    ['a verdict', { verdict: 'fail' }, /verdict pass/],
    ['a margin', { withinBp: 20 }, /verdict inconclusive/],
    ['an interval', { interval: [-0.001, 0.001] }, /interval/],
    ['an e-value', { logE: 2 }, /logE/],
  ])('shows that %s was altered', (_, change, words) => {
    expect(recomputeParities([recorded(change)])[0]?.differs.join()).toMatch(words);
  });

  it('is left alone where another method judged', () => {
    expect(recomputeParities([recorded({ method: 'parity-bet-v9' })])).toMatchObject([
      { differs: [], skipped: expect.stringContaining('parity-bet-v9') },
    ]);
  });
});
