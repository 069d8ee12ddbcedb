import { describe, expect, it } from 'vitest';
import {
  aPlan,
  aRollout,
  aSignal,
  aStage,
  aTrack,
  SOME_SIGNALS,
  specification,
  type RolloutStory,
} from '#libs/testing';
import { missingForSettling, missingForStage, rolloutDecider, roughly, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const HOUR = 3_600_000;
const LATE = SOME_SIGNALS.map((each) => (each.signal === 'script-errors' ? { ...each, delay: 2 * HOUR } : each));
const planOf = (change: Parameters<typeof aPlan>[0] = {}) => aPlan(change, { signals: LATE });

const assess = (story: RolloutStory, missing?: Parameters<RolloutStory['facts']>[0]): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const lasted = (bakedMs: number) => ({ stages: { api: { bakedMs } } });

describe('A signal that is known only some time after its requests', () => {
  const missing = (story: RolloutStory, ms: number): readonly string[] => {
    const [track] = story.rollout.plan.tracks;
    return track ? missingForStage(story.rollout, track, story.facts(lasted(ms))) : [];
  };

  it('rule 4: keeps a stage that has baked and looks good for as long as that, and says so', () => {
    const story = aRollout(planOf()).arrives();
    given(story.events)
      .when(assess(story, lasted(12 * 60_000)))
      .thenNothing();
    expect(missing(story, 12 * 60_000)).toEqual([
      'script errors: known up to 2h after the request, the stage has lasted 12m',
    ]);
    expect(missing(story, 2 * HOUR - 1)).toHaveLength(1);
  });

  it('rule 4: lets it go on once the stage has lasted that long', () => {
    const story = aRollout(planOf()).arrives();
    const decided = given(story.events).when(assess(story, lasted(2 * HOUR)));
    expect(decided.types()).toContain('StagePassed');
  });

  it('takes the change back at once as before, however early it fails', () => {
    const story = aRollout(planOf()).arrives();
    const decided = given(story.events).when(
      assess(story, { ...lasted(1_000), verdicts: { 'script-errors': 'fail' } }),
    );
    expect(decided.types()).toContain('RollbackStarted');
  });

  it('keeps nothing back where it is a shadow', () => {
    const signals = [aSignal('wrong-pool'), aSignal('script-errors', { shadow: true })];
    expect(missing(aRollout(planOf({ signals })).arrives(), 60_000)).toEqual([]);
  });

  it('keeps nothing back in a rollout that goes without stages', () => {
    const tracks = [aTrack('api', { stages: [aStage(10_000, { bake: 0, activation: 0 })] })];
    const story = aRollout(planOf({ tracks }), { bypass: 'the pool is on fire' }).arrives();
    expect(missing(story, 0)).toEqual([]);
  });

  it('rule 4: keeps the watch open as well', () => {
    const tracks = [aTrack('api', { stages: [aStage(10_000, { bake: 2 * HOUR })] })];
    const story = aRollout(planOf({ tracks, watch: 600_000 }))
      .reachesStatus('watching')
      .arrives();
    const watched = (bakedMs: number) => missingForSettling(story.rollout, story.facts({ watch: { bakedMs } }));
    expect(watched(600_000)).toEqual(['script errors: known up to 2h after the request, the watch has lasted 10m']);
    expect(watched(2 * HOUR)).toEqual([]);
  });

  it('is not missing before it can have come, whatever the grace of the plan is', () => {
    const story = aRollout(planOf()).arrives();
    const blind = (ms: number) => ({ unmeasured: [{ target: 'api-us', signal: 'script-errors', ms }] });
    expect(
      given(story.events)
        .when(assess(story, blind(2 * HOUR)))
        .types(),
    ).not.toContain('RolloutHeld');
    expect(
      given(story.events)
        .when(assess(story, blind(2 * HOUR + 1)))
        .types(),
    ).toContain('RolloutHeld');
  });
});

it.each([
  [0, '0s'],
  [59_999, '59s'],
  [720_000, '12m'],
  [5_400_000, '1h 30m'],
  [7_200_000, '2h'],
  [90_000_000, '1d 1h'],
])('%i ms reads %s', (ms, words) => {
  expect(roughly(ms)).toBe(words);
});
