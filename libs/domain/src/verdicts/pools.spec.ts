import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aTrack } from '#libs/testing';
import { judgedScopes } from '../index.js';
import { foldPools, judgeScope, poolOf, startPools } from './verdicts.js';

const tracks = [aTrack('api'), aTrack('bedrock')];
const together = aRollout(aPlan({ tracks })).rollout;
const apart = aRollout(aPlan({ tracks, rollbackScope: 'track' })).rollout;

const boundsOf = (rollout: typeof apart): number[] =>
  startPools(rollout).map(({ evidence }) => evidence.signals.get('script-errors')?.logBound ?? Number.NaN);

/** Many errors on the candidate of the API, none on Bedrock. */
const bad = {
  look: 1,
  cells: [
    { signal: 'script-errors', target: 'api-us', model: 'sonnet', shareBp: 100, candidateBad: 30, controlBad: 0 },
  ],
};
const counts = [
  {
    target: 'api-us',
    model: 'sonnet',
    candidateBad: 30,
    candidateRequests: 100,
    controlBad: 0,
    controlRequests: 9_900,
  },
  {
    target: 'bedrock-us',
    model: 'sonnet',
    candidateBad: 0,
    candidateRequests: 100,
    controlBad: 0,
    controlRequests: 9_900,
  },
];

const suspicionOf = (rollout: typeof apart): (number | undefined)[] =>
  startPools(rollout).map(({ evidence }) => evidence.spec.suspicion);

const verdicts = (rollout: typeof apart) => {
  const pools = startPools(rollout);
  foldPools(pools, bad);
  return judgedScopes(rollout).map((scope) => {
    const { verdict, sentence } = judgeScope(poolOf(pools, scope), scope, 'script-errors', { counts });
    return { track: scope.track, verdict, sentence };
  });
};

describe('the evidence of a rollout', () => {
  it('holds on the e-value that the plan was resolved with, where more traffic can clear a suspicion', () => {
    expect(together.plan.suspicion).toBe(10);
    expect(suspicionOf(apart)).toEqual([10, 10]);
    expect(suspicionOf({ ...together, assignment: 'instance' })).toEqual([undefined]);
    const { suspicion: _, ...before } = together.plan;
    expect(suspicionOf({ ...together, plan: before })).toEqual([undefined]);
  });

  it('is one where all of it is taken back together: harm in one track fails every track', () => {
    expect(verdicts(together).map(({ track, verdict }) => [track, verdict])).toEqual([
      ['api', 'fail'],
      ['bedrock', 'fail'],
    ]);
  });

  it('is that of each track where tracks are taken back alone: harm in one says nothing of another', () => {
    expect(verdicts(apart).map(({ track, verdict }) => [track, verdict])).toEqual([
      ['api', 'fail'],
      ['bedrock', 'pass'],
    ]);
    expect(verdicts(apart)[0]?.sentence).toContain('30 of 100 on the candidate against 0 of 9,900 on control');
  });

  it('rule 8: tracks share alpha evenly, so each must show more than a rollout that is judged as one', () => {
    const [whole] = boundsOf(together);
    for (const bound of boundsOf(apart)) expect(bound).toBeCloseTo((whole ?? Number.NaN) + Math.log(2), 10);
  });

  it('rule 2: is judged for a track from its first stage to the end of the watch, also when its stages have passed', () => {
    const plan = aPlan({ rollbackScope: 'track' });
    const scopes = (story: ReturnType<typeof aRollout>) =>
      judgedScopes(story.rollout).map(({ track, stage }) => `${track}/${stage}`);
    expect(scopes(aRollout(plan))).toEqual(['api/1%']);
    expect(scopes(aRollout(plan).reachesStatus('watching'))).toEqual(['api/watch', 'bedrock/watch']);
    expect(scopes(aRollout(plan).reachesStatus('settling'))).toEqual(['api/watch', 'bedrock/watch']);
  });
});
