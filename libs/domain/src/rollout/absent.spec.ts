import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aSignal, aTrack, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { longestSilence, missingForStage, rolloutDecider, silences, trackOf, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const planOf = (missing: 'roll-back' | 'warn', grace?: number) =>
  aPlan({
    signals: [aSignal('wrong-pool'), aSignal('script-errors', { missing, ...(grace === undefined ? {} : { grace }) })],
  });
const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const blind = (ms: number, ...targets: string[]): Shortcomings => ({
  unmeasured: targets.map((target) => ({ target, signal: 'script-errors', ms })),
});
const grace = aPlan().graceMs;

describe('a signal without which a rollout may not stay', () => {
  const plan = planOf('roll-back');

  it('rule 3: is a failure once it is missing for longer than the grace, and the cause says what is missing where', () => {
    const story = aRollout(plan).arrives();
    given(story.events)
      .when(look(story, blind(grace, 'api-us')))
      .thenNothing();
    const decided = given(story.events).when(look(story, blind(grace + 1, 'api-us', 'api-eu')));
    const sentence =
      'script errors: script-errors is not measured on api-us, api-eu, and without it the rollout may not stay';
    expect(decided.events().find(({ type }) => type === 'DegradationDetected')).toMatchObject({
      data: { signal: 'script-errors', sentence },
    });
    expect(decided.types()).toContain('RollbackStarted');
  });

  it('has a grace of its own where the plan gives it one', () => {
    const story = aRollout(planOf('roll-back', 5_000)).arrives();
    expect(
      given(story.events)
        .when(look(story, blind(5_001, 'api-us')))
        .types(),
    ).toContain('RollbackStarted');
  });

  it('rule 3: is missing as well where nothing is measured at all', () => {
    const story = aRollout(plan).arrives();
    const silent: Shortcomings = { stages: { api: { silentMs: grace + 1 } } };
    expect(given(story.events).when(look(story, silent)).types()).toContain('RollbackStarted');
    const watched = aRollout(plan).reachesStatus('watching').arrives();
    expect(
      given(watched.events)
        .when(look(watched, { watch: { silentMs: grace + 1 } }))
        .types(),
    ).toContain('RollbackStarted');
  });

  it('takes its track back alone where the plan says so', () => {
    const tracks = [aTrack('api'), aTrack('bedrock')];
    const story = aRollout(
      aPlan({ tracks, rollbackScope: 'track', signals: [aSignal('script-errors', { missing: 'roll-back' })] }),
    ).arrives();
    const decided = given(story.events).when(look(story, blind(grace + 1, 'bedrock-us')));
    expect(decided.events().find(({ type }) => type === 'RollbackStarted')).toMatchObject({
      data: { track: 'bedrock' },
    });
  });
});

describe('a track in which nothing is measured beside one in which all is', () => {
  const tracks = [aTrack('api'), aTrack('bedrock')];
  const signals = [aSignal('script-errors', { missing: 'roll-back' })];

  it('is the one that is taken back, and named, in the watch as well', () => {
    const story = aRollout(aPlan({ tracks, rollbackScope: 'track', signals }))
      .reachesStatus('watching')
      .arrives();
    const silentMs = { 'api-us': 0, 'api-eu': 0, 'bedrock-us': grace + 1 };
    // A target that cannot be asked is measured all the same.
    const targets = { 'api-us': undefined };
    const decided = given(story.events).when(look(story, { watch: { silentMs: grace + 1 }, silentMs, targets }));
    expect(decided.events().find(({ type }) => type === 'RollbackStarted')).toMatchObject({
      data: { track: 'bedrock', reason: expect.stringContaining('not measured on bedrock-us,') },
    });
  });
});

describe('silence', () => {
  it('counts from when a track entered its stage, whenever the rollout started, and not where none was entered', () => {
    const tracks = [aTrack('api'), aTrack('bedrock')];
    const story = aRollout(aPlan({ tracks })).reachesStatus('watching');
    const { now } = story;
    const late = { ...trackOf(story.rollout, 'bedrock'), enteredAt: [now - 50, now + 2_000] };
    const rollout = { ...story.rollout, tracks: { ...story.rollout.tracks, bedrock: late } };
    const seen = new Map([['api-us', { anyAt: now + 4_000 }]]);
    const found = silences(rollout, rollout.plan.tracks, seen, now + 5_000);
    expect(found).toMatchObject({ 'api-us': 1_000, 'bedrock-us': 3_000 });
    expect(longestSilence({ ...rollout, tracks: {} }, rollout.plan.tracks, seen, now)).toBe(0);
  });
});

describe('a signal without which a rollout may go on', () => {
  const plan = planOf('warn');
  const warned = {
    type: 'EvidenceMissing',
    data: { signal: 'script-errors', targets: ['api-us'] as string[] },
  } as const;

  it('rule 3: is said to be missing once, after the grace; before that its stage waits', () => {
    const story = aRollout(plan).arrives();
    given(story.events)
      .when(look(story, blind(grace, 'api-us')))
      .thenNothing();
    given(story.events)
      .when(look(story, blind(grace + 1, 'api-us')))
      .then(warned);
  });

  it('then keeps no stage from passing, measured or not, and the others still do', () => {
    const story = aRollout(plan)
      .arrives()
      .looks(blind(grace + 1, 'api-us'));
    const [track] = story.rollout.plan.tracks;
    const lacks = (more: Shortcomings) =>
      track && missingForStage(story.rollout, track, story.facts({ ...blind(grace + 1, 'api-us'), ...more }));
    expect(lacks({ verdicts: { 'script-errors': 'not-measured' } })).toEqual([]);
    expect(lacks({ verdicts: { 'wrong-pool': 'not-measured' } })).toEqual(['wrong-pool on api: not-measured']);
    expect(
      given(story.events)
        .when(look(story, blind(grace + 1, 'api-us')))
        .types(),
    ).toContain('StagePassed');
  });

  it('is said to be measured again, and then counts again', () => {
    const story = aRollout(plan)
      .arrives()
      .looks(blind(grace + 1, 'api-us'));
    given(story.events)
      .when(look(story, { verdicts: { 'script-errors': 'inconclusive' } }))
      .then({ type: 'VerdictRecorded' }, { type: 'EvidenceReturned', data: { signal: 'script-errors' } });
  });

  it('rule 2: still takes the change back when it fails', () => {
    const story = aRollout(plan)
      .arrives()
      .looks(blind(grace + 1, 'api-us'));
    const failing = { ...blind(grace + 1, 'api-us'), verdicts: { 'script-errors': 'fail' } } as const;
    expect(given(story.events).when(look(story, failing)).types()).toContain('RollbackStarted');
  });
});

describe('arms that have not as many units as they should', () => {
  const skew = 'assignment on api-us: 700 of 10,000 units are on the candidate (7%), where 10% should be';
  const skewed = (story: RolloutStory): RolloutCommand => ({
    type: 'AssessRollout',
    at: story.now,
    facts: { ...story.facts(), skew },
  });

  it('hold the rollout as long as they are so, since what is compared is not the same, and take nothing back', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(skewed(story))
      .then({ type: 'RolloutHeld', data: { by: 'policy', reason: skew } });
    const [track] = story.rollout.plan.tracks;
    expect(track && missingForStage(story.rollout, track, { ...story.facts(), skew })).toEqual([skew]);
  });
});
