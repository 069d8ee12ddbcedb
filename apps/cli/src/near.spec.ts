import { describe, expect, it } from 'vitest';
import { nearTo } from './near.js';

const known = ['RolloutStarted', 'RollbackStarted', 'RolloutHeld', 'TokenIssued'];

describe('what may have been meant', () => {
  it.each([
    ['rolloutstarted', ['RolloutStarted']],
    ['RoloutStarted', ['RolloutStarted']],
    ['Held', ['RolloutHeld']],
    ['Started', ['RolloutStarted', 'RollbackStarted']],
    ['Nonsense', []],
    ['', []],
  ])('%s is near to %j', (written, near) => {
    expect(nearTo(written, known)).toEqual(near);
  });
});
