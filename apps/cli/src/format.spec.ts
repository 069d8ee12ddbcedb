import { describe, expect, it } from 'vitest';
import { plain, plural, showAgo, showCount, showDuration, showRatio, showTime, showValue } from './format.js';

describe('numbers as people read them', () => {
  it.each([
    [0, '0 ms'],
    [250, '250 ms'],
    [4_200, '4.2 s'],
    [30_000, '30 s'],
    [59_960, '1 min'],
    [300_000, '5 min'],
    [12_600_000, '3.5 h'],
    [172_800_000, '2 d'],
  ])('a duration of %d ms reads %s', (ms, text) => {
    expect(showDuration(ms)).toBe(text);
  });

  it('counts have thousands separators and ratios three digits', () => {
    expect(showCount(81_700)).toBe('81,700');
    expect(showRatio(1.8349)).toBe('1.83 times');
    expect([plural(1, 'target'), plural(1_200, 'target')]).toEqual(['1 target', '1,200 targets']);
  });

  it('a time is shown in the zone of the reader, also across midnight', () => {
    expect(showTime('2025-08-29T22:30:05.000Z', 'Europe/Berlin')).toBe('2025-08-30 00:30:05');
    expect(showTime('not a time', 'UTC')).toBe('not a time');
  });

  it('a moment is shown by its distance from now, to both sides', () => {
    const now = Date.parse('2025-08-29T12:00:00Z');
    expect(showAgo('2025-08-29T11:57:00Z', now)).toBe('3 min ago');
    expect(showAgo('2025-08-29T12:00:30Z', now)).toBe('in 30 s');
  });

  it('a long value is cut, and text from the log cannot send escape sequences to the terminal', () => {
    expect(showValue('x'.repeat(200), 10)).toHaveLength(10);
    expect(plain('red \u001b[31malert\u0007\nnext')).toBe('red \ufffd[31malert\ufffd next');
    expect(plain('nimda\u202eadmin')).toBe('nimda\ufffdadmin');
  });
});
