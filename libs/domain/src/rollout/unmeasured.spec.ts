import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aTrack, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { missingForSettling, missingForStage, rolloutDecider, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const blind = (ms: number, ...targets: string[]): Shortcomings => ({
  unmeasured: targets.map((target) => ({ target, signal: 'wrong-pool', ms })),
});
const grace = aPlan().graceMs;

describe('a signal that is not measured while outcomes arrive', () => {
  it('rule 3: keeps a stage from passing at once, and the stage says which signal it is and where', () => {
    const story = aRollout().arrives();
    const missing = blind(12_000, 'api-eu');
    given(story.events).when(look(story, missing)).thenNothing();
    const [track] = story.rollout.plan.tracks;
    expect(track && missingForStage(story.rollout, track, story.facts(missing))).toEqual([
      'wrong-pool: not measured on api-eu for 12.0 s',
    ]);
  });

  it('rule 3: keeps a stage from passing that waits for its first counts only', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(look(story, blind(0, 'api-eu')))
      .thenNothing();
    const [track] = story.rollout.plan.tracks;
    expect(track && missingForStage(story.rollout, track, story.facts(blind(0, 'api-eu')))).toEqual([
      'wrong-pool: not measured on api-eu yet',
    ]);
  });

  it('rule 3: holds the rollout after the grace, and the reason names the signal and the targets', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(look(story, blind(grace + 1, 'api-us', 'api-eu')))
      .then({
        type: 'RolloutHeld',
        data: {
          by: 'policy',
          reason: 'wrong-pool is not measured on api-us, api-eu: see whether its check still runs there',
          until: null,
        },
      });
  });

  it('lets go once it is measured again', () => {
    const story = aRollout()
      .arrives()
      .looks(blind(grace + 1, 'api-us'));
    given(story.events)
      .when(look(story, blind(grace + 1, 'api-us')))
      .thenNothing();
    given(story.events)
      .when(look(story))
      .then({ type: 'RolloutResumed', data: { by: 'policy', reason: 'what it was held for is over' } });
  });

  it('keeps no other track from going on before the grace', () => {
    const story = aRollout(aPlan({ tracks: [aTrack('api'), aTrack('bedrock')] })).arrives();
    const decided = given(story.events).when(look(story, blind(12_000, 'bedrock-us')));
    expect(decided.events().filter(({ type }) => type === 'StagePassed')).toMatchObject([{ data: { track: 'api' } }]);
  });

  it('rule 3: holds in the watch as well, which does not settle meanwhile', () => {
    const story = aRollout().reachesStatus('watching').arrives();
    const missing = blind(12_000, 'api-us');
    expect(missingForSettling(story.rollout, story.facts({ ...missing, watch: { bakedMs: 600_000 } }))).toEqual([
      'wrong-pool: not measured on api-us for 12.0 s',
    ]);
    given(story.events)
      .when(look(story, blind(grace + 1, 'api-us')))
      .then({ type: 'RolloutHeld' });
  });

  it('rule 2: does not keep a failing signal from taking the change back', () => {
    const story = aRollout().arrives();
    expect(
      given(story.events)
        .when(look(story, { ...blind(grace + 1, 'api-us'), verdicts: { 'script-errors': 'fail' } }))
        .types(),
    ).toContain('RollbackStarted');
  });
});
