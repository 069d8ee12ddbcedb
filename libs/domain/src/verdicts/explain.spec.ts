import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aTrack } from '#libs/testing';
import { Explanation } from './explain.js';

const { rollout } = aRollout(aPlan({ tracks: [aTrack('api'), aTrack('bedrock')] }));
const SIGNAL = 'script-errors';

const cell = fc.record({
  signal: fc.constant(SIGNAL),
  target: fc.constantFrom('api-us', 'bedrock-us'),
  model: fc.constant('sonnet'),
  shareBp: fc.constantFrom(100, 1_000, 5_000),
  candidateBad: fc.integer({ min: 0, max: 3 }),
  controlBad: fc.integer({ min: 0, max: 9 }),
});
const courses = fc
  .array(
    fc.record({ cells: fc.array(cell, { minLength: 1, maxLength: 3 }), after: fc.integer({ min: 1, max: 9_000 }) }),
    {
      minLength: 1,
      maxLength: 300,
    },
  )
  .map((steps) => {
    let at = rollout.startedAt;
    return steps.map(({ cells, after }, n) => ({ look: n + 1, at: (at += after), cells }));
  });

describe('the explanation of a signal', () => {
  it('counts every bad outcome once, in windows that follow each other', () => {
    fc.assert(
      fc.property(courses, (looks) => {
        const explanation = new Explanation(rollout);
        for (const look of looks) explanation.fold(look);
        const [pool] = explanation.of(SIGNAL);
        const all = looks.flatMap(({ cells }) => cells).reduce((sum, { candidateBad }) => sum + candidateBad, 0);
        const windows = pool?.windows ?? [];
        if (windows.reduce((sum, { candidate }) => sum + candidate, 0) !== all) throw new Error('lost some');
        if (windows.length > 25) throw new Error('too many windows');
        for (const [n, { from }] of windows.entries())
          if (n > 0 && from < (windows[n - 1]?.until ?? 0)) throw new Error('windows overlap');
      }),
      { numRuns: 100 },
    );
  });

  it('keeps the highest point of the course and the last one, in at most a hundred and one', () => {
    fc.assert(
      fc.property(courses, (looks) => {
        const explanation = new Explanation(rollout, [SIGNAL]);
        for (const look of looks) explanation.fold(look);
        const [pool] = explanation.of(SIGNAL);
        const course = pool?.course ?? [];
        if (course.length > 101) throw new Error('too long');
        if (course.at(-1)?.logE !== pool?.logE) throw new Error('the last point is missing');
        const highest = Math.max(...course.map(({ logE }) => logE));
        if (highest !== pool?.maxLogE && (pool?.maxLogE ?? 0) > 0) throw new Error('the highest point is missing');
      }),
      { numRuns: 100 },
    );
  });

  it('says nothing of a signal that was not asked for', () => {
    expect(new Explanation(rollout, [SIGNAL]).of('other')).toEqual([]);
  });
});
