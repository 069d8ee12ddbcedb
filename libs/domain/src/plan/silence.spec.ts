import { describe, expect, it } from 'vitest';
import { toleratedSilenceMs } from './index.js';

const MINUTE = 60_000;

describe('the silence that a bake goes on in', () => {
  it('is a quarter of a short bake', () => {
    expect(toleratedSilenceMs(5_000, MINUTE)).toBe(1_250);
    expect(toleratedSilenceMs(0, MINUTE)).toBe(0);
  });

  it('is never more than ten seconds, nor than the grace', () => {
    expect(toleratedSilenceMs(60 * MINUTE, MINUTE)).toBe(10_000);
    expect(toleratedSilenceMs(60 * MINUTE, 5_000)).toBe(5_000);
  });
});
