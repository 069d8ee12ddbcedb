import { describe, expect, it } from 'vitest';
import { withinTime } from './time-box.js';

describe('work that must not keep a controller from everything else', () => {
  it('is done as usual when it is quick, and what it throws is thrown', () => {
    expect(withinTime(1_000, () => 42)).toEqual({ done: 42 });
    expect(withinTime(1_000, () => undefined)).toEqual({ done: undefined });
    expect(() =>
      withinTime(1_000, () => {
        throw new TypeError('no such thing');
      }),
    ).toThrow('no such thing');
  });

  it('is stopped where it stands when it takes too long, in a loop and in a pattern that tracks back', () => {
    let turns = 0;
    const forEver = (): void => {
      for (;;) turns += 1;
    };
    expect(withinTime(20, forEver)).toBe('late');
    expect(turns).toBeGreaterThan(0);
    expect(withinTime(20, () => /^(a+)+$/.test(`${'a'.repeat(60)}b`))).toBe('late');
    expect(withinTime(1_000, () => 'and others go on')).toEqual({ done: 'and others go on' });
  });

  it('is too long when it never comes back from calling itself', () => {
    const again = (depth: number): number => again(depth + 1) + 1;
    expect(withinTime(5_000, () => again(0))).toBe('late');
  });
});
