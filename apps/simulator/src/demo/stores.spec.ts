import { describe, expect, it } from 'vitest';
import { disorderOf } from './stores.js';

describe('What the stores of the demo were given', () => {
  it('is in order where each generation comes once and after older ones', () => {
    expect(disorderOf('AppConfig', ['headgate-18', 'headgate-40', 'headgate-127'])).toEqual([]);
  });

  it('is named where a generation comes twice, or after a newer one', () => {
    expect(disorderOf('AppConfig', ['headgate-18', 'headgate-18', 'headgate-7'])).toEqual([
      'AppConfig was given headgate-18 twice',
      'AppConfig was given headgate-7 after headgate-18',
    ]);
  });
});
