import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aTrack } from '#libs/testing';
import type { StoredLook } from '../ports.js';
import { foldIn, startFolded, type Folded } from './folded.js';
import { packFolded, unpackFolded } from './snapshot.js';

const whole = aRollout().rollout;
const byTrack = aRollout(aPlan({ rollbackScope: 'track' })).rollout;
const ofOneTrack = aRollout(aPlan({ tracks: [aTrack('api')] })).rollout;
const ofOtherAlpha = aRollout(aPlan({ alpha: 0.01 })).rollout;

const cell = fc.record({
  signal: fc.constantFrom('script-errors', 'refusals', 'wrong-pool', 'of another plan'),
  target: fc.constantFrom('api-us', 'api-eu', 'bedrock-us', 'added later'),
  model: fc.constantFrom('sonnet', 'haiku'),
  shareBp: fc.constantFrom(0, 100, 1000, 5000),
  candidateBad: fc.nat(5),
  controlBad: fc.nat(5),
});
const looks = fc.array(fc.array(cell, { maxLength: 6 }), { minLength: 1, maxLength: 12 });
type Cells = StoredLook['cells'];

const fold = (folded: Folded, all: readonly Cells[]): Folded => {
  for (const cells of all) foldIn(folded, { look: folded.look + 1, at: 0, digest: JSON.stringify(cells), cells });
  return folded;
};
const bad = {
  signal: 'script-errors',
  target: 'api-us',
  model: 'sonnet',
  shareBp: 100,
  candidateBad: 3,
  controlBad: 4,
};
const three = (): Folded => fold(startFolded(whole), [[bad], [], [bad, { ...bad, target: 'bedrock-us' }]]);

describe('a snapshot of folded evidence', () => {
  it('rule 12: is gone on from to the same bytes as a fold without a stop', () => {
    fc.assert(
      fc.property(looks, looks, fc.constantFrom(whole, byTrack), (before, after, rollout) => {
        const folded = fold(startFolded(rollout), before);
        const again = unpackFolded(rollout, packFolded(folded), folded.look);
        if (again === undefined) throw new Error('The snapshot did not fit.');
        expect(packFolded(fold(again, after)).equals(packFolded(fold(folded, after)))).toBe(true);
        expect(again.counts.of('script-errors')).toEqual(folded.counts.of('script-errors'));
        expect([again.look, again.digest]).toEqual([folded.look, folded.digest]);
      }),
    );
  });

  it('is not read where any byte of it was altered or is missing', () => {
    const bytes = packFolded(three());
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const altered = Buffer.from(bytes);
        altered[at] = (altered[at] ?? 0) ^ flip;
        expect(unpackFolded(whole, altered, 3)).toBeUndefined();
        expect(unpackFolded(whole, bytes.subarray(0, at), 3)).toBeUndefined();
      }),
    );
  });

  it.each([
    ['other targets', ofOneTrack],
    ['another alpha', ofOtherAlpha],
    ['tracks that are taken back alone', byTrack],
  ])('is not read for %s', (_, rollout) => {
    expect(unpackFolded(rollout, packFolded(three()), 3)).toBeUndefined();
  });

  it('is not read where it is ahead of the looks', () => {
    expect(unpackFolded(whole, packFolded(three()), 2)).toBeUndefined();
    expect(unpackFolded(whole, packFolded(three()), 3)?.look).toBe(3);
  });
});
