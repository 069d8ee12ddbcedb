import { describe, expect, it } from 'vitest';
import {
  showAge,
  showDuration,
  showE,
  showInterval,
  showRate,
  showRatio,
  showShare,
  showType,
  showUnits,
  showTime,
  showUtc,
  showZone,
} from './format.js';

describe('Numbers are shown with their units', () => {
  it.each([
    [-5, '0 s'],
    [420, '420 ms'],
    [9_940, '9.9 s'],
    [42_000, '42 s'],
    [60_000, '1 min'],
    [200_000, '3 min 20 s'],
    [7_500_000, '2 h 5 min'],
    [86_400_000 * 2, '2 d'],
  ])('%d ms are %s', (ms, words) => expect(showDuration(ms)).toBe(words));

  it.each([
    [900, 'now'],
    [40_000, '40 s'],
    [3_599_000, '59 min'],
    [3_600_000 * 30, '30 h'],
    [86_400_000 * 12, '12 d'],
  ])('an age of %d ms is %s', (ms, words) => expect(showAge(ms)).toBe(words));

  it.each([
    [1, '0.01%'],
    [1_000, '10%'],
    [9_950, '99.5%'],
  ])('%d basis points are %s', (bp, words) => expect(showShare(bp)).toBe(words));

  it.each([
    [0, 0, 'nothing measured'],
    [0, 100, '0%'],
    [41, 9_120, '0.45%'],
    [3, 1_000_000, '3 per million'],
  ])('%d of %d are %s', (bad, of, words) => expect(showRate(bad, of)).toBe(words));

  it.each([
    [1.049, '1.05×'],
    [14.6, '15×'],
    [1_234, '1,234×'],
  ])('a ratio of %d is %s', (ratio, words) => expect(showRatio(ratio)).toBe(words));

  it.each([
    [Math.log(3_509), '3,509'],
    [Math.log(1e12) + 0.1, '10^12'],
    [Math.log(0.44), '0.44'],
    [-40, 'below 0.001'],
  ])('an e-value with the logarithm %d is %s', (logE, words) => expect(showE(logE)).toBe(words));

  it.each([
    [null, 'no interval'],
    [[null, null], 'not bounded yet'],
    [[18, null], 'at least 18×'],
    [[null, 1.5], 'at most 1.5×'],
    [[0.64, 1.57], '0.64× to 1.57×'],
  ] as const)('the interval %j is %s', (interval, words) => expect(showInterval(interval)).toBe(words));

  it.each([
    [{ count: 812, below: null, error: 0, atLeast: false }, '812'],
    [{ count: null, below: 5, error: 0, atLeast: false }, 'fewer than 5'],
    [{ count: 512, below: null, error: 0, atLeast: true }, 'at least 512'],
    [{ count: 12_300, below: null, error: 0.031, atLeast: false }, 'about 12,300 (±3.1%)'],
  ])('the units %o are %s', (units, words) => expect(showUnits(units)).toBe(words));

  it('a moment has its day beside it, also when it is today, and the zone is named', () => {
    expect(showTime(new Date().toISOString())).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    expect(showZone()).toMatch(/^UTC$|^\S+, UTC[+-]\d\d:\d\d$/);
  });

  it('a moment is told in UTC, and a type of event in words', () => {
    expect(showUtc('2025-08-29T14:03:07.123+02:00')).toBe('2025-08-29 12:03:07 UTC');
    expect(showType('RollbackStarted')).toBe('Rollback started');
  });
});
