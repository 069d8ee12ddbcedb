import { describe, expect, it } from 'vitest';
import { underTitle } from './evidence.js';

describe('The sentence of a verdict under the title of its signal', () => {
  it.each([
    ['syntax errors over 4 slices: 0 of 23', 'Over 4 slices: 0 of 23'],
    ['syntax errors: no request measured yet', 'No request measured yet'],
    ['syntax errorsome over 4 slices', 'syntax errorsome over 4 slices'],
    ['candidate requests: 3 of 100', 'candidate requests: 3 of 100'],
  ])('%s', (sentence, words) => expect(underTitle(sentence, 'syntax errors')).toBe(words));
});
