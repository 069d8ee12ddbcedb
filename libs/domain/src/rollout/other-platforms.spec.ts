import { describe, expect, it } from 'vitest';
import { aRollout, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { missingForStage, rolloutDecider, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);
const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});

/** Its instances read from the platform itself and say nothing; the last of them has it after 75 s. */
const SAYS_NOTHING = { instances: 0, acknowledged: 0, acknowledgedGeneration: 0, takenWithinMs: 75_000 };
const quiet: Shortcomings = { targets: { 'api-us': SAYS_NOTHING } };
const convergedIn = (story: RolloutStory, missing?: Shortcomings) =>
  given(story.events)
    .when(look(story, missing))
    .events()
    .flatMap((event) => (event.type === 'TargetConverged' ? [event.data] : []));

describe('a target where nobody acknowledges', () => {
  it('converges once it was delivered and its slowest reader has had its time', () => {
    const story = aRollout().delivers();
    expect(convergedIn(story.waits(74_999), quiet).map(({ target }) => target)).toEqual(['api-eu']);
    expect(convergedIn(story.waits(1), quiet)).toMatchObject([
      { target: 'api-us', instances: 0 },
      { target: 'api-eu' },
    ]);
  });

  it('does not converge by time before it was delivered', () => {
    expect(convergedIn(aRollout().waits(900_000), quiet)).toEqual([]);
  });

  it('waits for those that do acknowledge, where there are some', () => {
    const story = aRollout().delivers().waits(900_000);
    const one = { ...SAYS_NOTHING, instances: 2, acknowledged: 1, acknowledgedGeneration: 0 };
    expect(convergedIn(story, { targets: { 'api-us': one } }).map(({ target }) => target)).toEqual(['api-eu']);
  });

  it('says what it waits for', () => {
    const story = aRollout().delivers().waits(1_000);
    const [track] = story.rollout.plan.tracks;
    expect(track && missingForStage(story.rollout, track, story.facts(quiet))).toContain(
      'api-us: 75.0 s from the delivery on, in which every instance reads it',
    );
  });

  it('rule 5: is acknowledged after a rollback by the same time, where no outcomes tell of a drain', () => {
    const noTraffic = { ...SAYS_NOTHING, trafficSeenAt: null, candidateSeenAt: null };
    const story = aRollout()
      .arrives()
      .looks({ verdicts: { 'script-errors': 'fail' } })
      .delivers()
      .looks({ targets: { 'api-us': noTraffic } });
    const drained = (after: RolloutStory) =>
      given(after.events)
        .when(look(after, { targets: { 'api-us': noTraffic } }))
        .events()
        .flatMap((event) => (event.type === 'TargetDrained' && event.data.target === 'api-us' ? [event.data] : []));
    // Drain 30 s, grace 60 s, readers 75 s.
    expect(drained(story.waits(164_999))).toEqual([]);
    expect(drained(story.waits(1))).toMatchObject([{ outcome: 'acknowledged' }]);
  });
});

describe('a target that drifted', () => {
  const drift = { drift: 'drift on api-us: it holds what Headgate never wrote' };

  it('holds the rollout, with what is wrong, and lets it go on by itself when it is over', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(look(story, drift))
      .then({ type: 'RolloutHeld', data: { by: 'policy', reason: drift.drift } });
    story.looks(drift);
    given(story.events)
      .when(look(story))
      .then({ type: 'RolloutResumed', data: { by: 'policy' } });
  });

  it('rule 2: is taken back all the same', () => {
    const story = aRollout().arrives().looks(drift);
    const types = given(story.events)
      .when(look(story, { ...drift, verdicts: { 'script-errors': 'fail' } }))
      .types();
    expect(types).toContain('RollbackStarted');
  });
});
