import { describe, expect, it } from 'vitest';
import { behindWords, hookLook } from './hooks.js';

describe('How far a hook is', () => {
  it.each([
    [{ waiting: 0, dead: 0 }, undefined],
    [{ waiting: 1, dead: 0 }, '1 event waits'],
    [{ waiting: 14, dead: 2 }, '14 events wait, 2 events given up'],
  ])('%o: %s', (hook, words) => expect(behindWords(hook)).toBe(words));

  it('looks well only while nothing is wrong', () => {
    const states = ['delivering', 'retrying', 'dead', 'disabled', 'stuck'] as const;
    expect(states.filter((state) => hookLook({ state }).tone === 'good')).toEqual(['delivering']);
    expect(new Set(states.map((state) => hookLook({ state }).words)).size).toBe(states.length);
  });
});
