import { expect, it } from 'vitest';
import { exposuresIn } from './open.js';

const on = (target: string, shareBp: number) => ({
  target,
  platform: 'api',
  shareBp,
  since: '2025-08-29T12:00:00.000Z',
});

it('What was asked of targets is told by share, the largest first; nothing where nothing was', () => {
  expect(exposuresIn([on('vertex-eu', 0), on('api-us', 1_000), on('api-eu', 1_000)])).toBe(
    '10% on api-us, api-eu; 0% on vertex-eu',
  );
  expect(exposuresIn([])).toBe('');
});
