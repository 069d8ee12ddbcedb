import { describe, expect, it } from 'vitest';
import {
  A_PAIRED_SIGNAL,
  aPlan,
  aRollout,
  aTrack,
  SOME_SIGNALS,
  SOME_TARGETS,
  specification,
  type RolloutStory,
  type Shortcomings,
} from '#libs/testing';
import type { KnownTarget, PlanSpec } from '../plan/index.js';
import { isNotReached, rolloutDecider, waitingFor, type Comparison, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const GOLDEN = A_PAIRED_SIGNAL;
const VERTEX: KnownTarget = {
  target: 'vertex-us',
  platform: 'vertex',
  labels: { region: 'us', hardware: 'tpu' },
  models: ['sonnet'],
};
const catalogue = { signals: [...SOME_SIGNALS, GOLDEN], targets: [...SOME_TARGETS, VERTEX] };
const parity = [{ signal: 'golden-answers', between: ['api', 'bedrock'] as const, within: 200 }];

/** Tracks api and bedrock side by side; vertex begins once they are as good on golden answers, within 2%. */
const planOf = (change: Partial<PlanSpec> = {}, vertex: Partial<PlanSpec['tracks'][number]> = {}) =>
  aPlan({ tracks: [aTrack('api'), aTrack('bedrock'), aTrack('vertex', { parity, ...vertex })], ...change }, catalogue);

const compared = (pairs: number, leftOnly = 0, rightOnly = 0, change: Partial<Comparison> = {}): Shortcomings => ({
  comparisons: [
    { signal: 'golden-answers', left: 'api-us', right: 'bedrock-us', pairs, leftOnly, rightOnly, ...change },
  ],
});
const nothing: Shortcomings = { comparisons: [] };
const alike = compared(2_000, 5, 6);
const open = compared(120, 5, 3);
const apart = compared(2_000, 20, 200);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const promote = (story: RolloutStory, track: string | null, missing: Shortcomings): RolloutCommand => ({
  type: 'PromoteRollout',
  reason: 'seen by hand',
  track,
  stages: null,
  facts: story.facts(missing),
});
const stageOf = (story: RolloutStory, track: string): number => story.rollout.tracks[track]?.stage ?? -1;

describe('a track that waits for the parity of two others', () => {
  it('is not entered at the start, although it waits for no stage', () => {
    const story = aRollout(planOf());
    expect(story.rollout.targets['vertex-us']?.wanted).toBeNull();
    expect(stageOf(story, 'api')).toBe(0);
  });

  it('begins once parity is shown, and the record says by what', () => {
    const story = aRollout(planOf()).arrives(nothing).looks(alike);
    const events = story.events.filter(({ type }) => type === 'ParityJudged' || type === 'StageEntered').slice(2);
    expect(events).toMatchObject([
      {
        type: 'ParityJudged',
        data: {
          parity: {
            track: 'vertex',
            verdict: 'pass',
            method: 'parity-bet-v1',
            counts: { pairs: 2_000, leftOnly: 5, rightOnly: 6 },
            sentence: expect.stringMatching(
              /^parity of api and bedrock on golden-answers is shown: 2,000 pairs, difference −\d.*%, within ±2%$/,
            ),
          },
        },
      },
    ]);
    story.untilThat(({ tracks }) => tracks['vertex']?.stage === 0, alike);
    expect(story.rollout.targets['vertex-us']?.wanted).toMatchObject({ purpose: 'stage' });
  });

  it('waits without any comparison, while the others go on, and the rollout is not fully exposed without it', () => {
    const story = aRollout(planOf()).untilThat(({ tracks }) => tracks['bedrock']?.passed.length === 4, nothing);
    story.waits(60_000).looks(nothing).looks(nothing);
    expect(story.rollout.status).toBe('staging');
    expect(stageOf(story, 'vertex')).toBe(-1);
    expect(waitingFor(story.rollout, story.facts(nothing))).toEqual([
      'vertex waits for parity of api and bedrock on golden-answers: nothing was compared yet, the difference needs to lie within ±2%',
    ]);
    expect(story.events.some(({ type }) => type === 'ParityJudged')).toBe(false);
  });

  it('waits while it is open, and says how far it is', () => {
    const story = aRollout(planOf()).arrives(nothing);
    expect(waitingFor(story.rollout, story.facts(open)).at(-1)).toMatch(
      /^vertex waits for parity of api and bedrock on golden-answers: 120 pairs, difference −\d+(\.\d+)?% to \d+(\.\d+)?%, needs to lie within ±2%$/,
    );
    const kept = given(story.events).when(look(story, open)).events();
    expect(kept).toMatchObject([{ type: 'ParityJudged', data: { parity: { verdict: 'inconclusive' } } }]);
  });

  it('records a judgement only when it has changed', () => {
    const story = aRollout(planOf()).arrives(nothing).looks(open);
    const more = compared(130, 5, 3);
    expect(given(story.events).when(look(story, more)).types()).not.toContain('ParityJudged');
  });

  it('counts a comparison whichever side is named first, and over all targets of the tracks', () => {
    const story = aRollout(planOf()).arrives(nothing);
    const shortcomings: Shortcomings = {
      comparisons: [
        { signal: 'golden-answers', left: 'api-us', right: 'bedrock-us', pairs: 100, leftOnly: 7, rightOnly: 1 },
        { signal: 'golden-answers', left: 'bedrock-us', right: 'api-eu', pairs: 50, leftOnly: 2, rightOnly: 4 },
        { signal: 'golden-answers', left: 'api-eu', right: 'api-us', pairs: 999, leftOnly: 99, rightOnly: 0 },
        { signal: 'other-answers', left: 'api-us', right: 'bedrock-us', pairs: 999, leftOnly: 99, rightOnly: 0 },
      ],
    };
    expect(story.facts(shortcomings).parity).toMatchObject([
      { counts: { pairs: 150, leftOnly: 11, rightOnly: 3 }, difference: 8 / 150 },
    ]);
  });

  it('is not judged by a look from before the last one: pairs only grow in number', () => {
    const story = aRollout(planOf()).arrives(nothing).looks(apart);
    const late = given(story.events)
      .when(look(story, compared(1_999, 5, 6)))
      .types();
    expect(late).toEqual([]);
    story.looks(nothing);
    expect(story.rollout.held).not.toBeNull();
  });

  it('waits for its stage as well, where it has one to wait for', () => {
    const story = aRollout(planOf({}, { after: 'api/10%' })).arrives(nothing);
    story.looks(alike).looks(alike);
    expect(stageOf(story, 'vertex')).toBe(-1);
    story.untilThat(({ tracks }) => tracks['api']?.stage === 2, alike).looks(alike);
    story.untilThat(({ tracks }) => tracks['vertex']?.stage === 0, alike);
  });

  it('waits for both tracks to begin, whatever was compared before', () => {
    const tracks = [aTrack('api'), aTrack('bedrock', { after: 'api/50%' }), aTrack('vertex', { parity })];
    const story = aRollout(planOf({ tracks }))
      .arrives(alike)
      .looks({ ...alike, stages: { api: { bakedMs: 0 } } });
    expect(stageOf(story, 'vertex')).toBe(-1);
    expect(waitingFor(story.rollout, story.facts(alike))).toContain(
      'vertex waits for bedrock to begin: api and bedrock are to be compared',
    );
    story.untilThat(({ tracks: all }) => all['vertex']?.stage === 0, alike);
    expect(stageOf(story, 'bedrock')).toBeGreaterThanOrEqual(0);
  });

  it('is asked no more once it has begun: what comes later neither holds nor is recorded', () => {
    const story = aRollout(planOf()).untilThat(({ tracks }) => tracks['vertex']?.stage === 0, alike);
    const events = given(story.events).when(look(story, apart)).types();
    expect(events).not.toContain('ParityJudged');
    expect(events).not.toContain('RolloutHeld');
  });

  it('lets the whole rollout settle in the end', () => {
    expect(aRollout(planOf()).reachesStatus('settled').rollout.tracks['vertex']?.passed).toHaveLength(4);
  });
});

describe('tracks that differ by more than the margin', () => {
  it('hold the rollout with what was found; nothing is taken back', () => {
    const story = aRollout(planOf()).arrives(nothing);
    const events = given(story.events).when(look(story, apart)).events();
    expect(events).toMatchObject([
      { type: 'ParityJudged', data: { parity: { verdict: 'fail' } } },
      {
        type: 'RolloutHeld',
        data: {
          by: 'policy',
          reason: expect.stringMatching(
            /^no parity of api and bedrock on golden-answers, bad answers differ by more than ±2%: 2,000 pairs, difference −\d.*% to −\d.*% \(api less bedrock\)$/,
          ),
        },
      },
    ]);
  });

  it('hold up no guardrail: harm is still taken back', () => {
    const story = aRollout(planOf()).arrives(nothing).looks(apart);
    const harmed = { ...apart, verdicts: { 'api/script-errors': 'fail' } } as const;
    expect(given(story.events).when(look(story, harmed)).types()).toContain('RollbackStarted');
  });

  it('let it go on once more pairs speak for parity again', () => {
    const story = aRollout(planOf()).arrives(nothing).looks(apart);
    expect(story.rollout.held).not.toBeNull();
    story.looks(compared(60_000, 200, 380));
    expect(story.rollout.held).toBeNull();
    story.untilThat(({ tracks }) => tracks['vertex']?.stage === 0, compared(60_000, 200, 380));
  });

  it('are no harm that a person may promote past, in whatever track', () => {
    const story = aRollout(planOf()).arrives(nothing).looks(apart);
    for (const track of [null, 'api', 'vertex'])
      given(story.events)
        .when(promote(story, track, apart))
        .thenRejected('parity-failed');
  });
});

describe('a person who promotes a track that waits for parity', () => {
  it('lets it begin without, under their name, with what was missing', () => {
    const story = aRollout(planOf()).arrives(nothing);
    const events = given(story.events)
      .when(promote(story, 'vertex', open))
      .events();
    expect(events.map(({ type }) => type)).toEqual([
      'BakeSkipped',
      'ParityJudged',
      'StageEntered',
      'ExposureRequested',
    ]);
    expect(events[0]).toMatchObject({
      data: { track: 'vertex', stage: 'parity', missing: [expect.stringContaining('needs to lie within ±2%')] },
    });
    story.does(promote(story, 'vertex', open));
    expect(story.rollout.tracks['vertex']).toMatchObject({ stage: 0, skipping: false, passed: [] });
  });

  it('has to name it: who promotes all that is in a stage means no track that is in none', () => {
    const story = aRollout(planOf()).arrives(nothing);
    const events = given(story.events)
      .when(promote(story, null, nothing))
      .events();
    expect(events.filter(({ type }) => type === 'BakeSkipped')).toMatchObject([
      { data: { track: 'api' } },
      { data: { track: 'bedrock' } },
    ]);
  });

  it('is told to name it, where nothing else is left to be promoted', () => {
    const story = aRollout(planOf()).untilThat(
      ({ tracks }) => tracks['api']?.passed.length === 4 && tracks['bedrock']?.passed.length === 4,
      nothing,
    );
    const all = { ...promote(story, null, nothing), stages: ['vertex/parity'] } as RolloutCommand;
    given(story.events).when(all).thenRejected('nothing-to-promote', '--track vertex');
    const named = { ...promote(story, 'vertex', nothing), stages: ['vertex/parity'] } as RolloutCommand;
    expect(given(story.events).when(named).types()).toContain('StageEntered');
  });

  it('sends nothing on that is not what they saw any more', () => {
    const story = aRollout(planOf()).untilThat(({ tracks }) => tracks['vertex']?.stage === 0, alike);
    const late = { ...promote(story, 'vertex', nothing), stages: ['vertex/parity'] } as RolloutCommand;
    given(story.events).when(late).thenRejected('stage-has-passed');
  });

  it('cannot send it past the stage that it waits for', () => {
    const story = aRollout(planOf({}, { after: 'api/10%' })).arrives(nothing);
    given(story.events)
      .when(promote(story, 'vertex', nothing))
      .thenRejected('nothing-to-promote');
  });
});

describe('parity of a track that is taken back alone', () => {
  const story = (): RolloutStory => aRollout(planOf({ rollbackScope: 'track' })).arrives(nothing);
  const vertexOf = ({ rollout }: RolloutStory) => rollout.plan.tracks[2] ?? aRollout(planOf()).rollout.plan.tracks[0];

  it('can never come: the track that waits for it is not reached, and the rollout ends without it', () => {
    const failed = story().looks({ ...nothing, verdicts: { 'bedrock/script-errors': 'fail' } });
    const vertex = vertexOf(failed);
    expect(vertex && isNotReached(failed.rollout, vertex)).toBe(true);
    expect(waitingFor(failed.rollout, failed.facts(nothing)).join()).not.toContain('vertex');
    failed.untilThat(({ status }) => status === 'settled', nothing);
    expect(failed.rollout.targets['vertex-us']?.wanted).toBeNull();
  });

  it('counts for nothing in facts that were gathered before, so that nothing begins where nothing is held any more', () => {
    const failed = story().looks({ ...nothing, verdicts: { 'bedrock/script-errors': 'fail' } });
    const late = { ...failed.facts(nothing), parity: story().facts(alike).parity };
    const types = given(failed.events).when({ type: 'AssessRollout', at: failed.now, facts: late }).types();
    expect(types).not.toContain('ParityJudged');
  });

  it('is still worth something where it was shown before', () => {
    const tracks = [aTrack('api'), aTrack('bedrock'), aTrack('vertex', { parity, after: 'api/50%' })];
    const shown = aRollout(planOf({ rollbackScope: 'track', tracks })).arrives(nothing);
    shown.looks({ ...alike, stages: { api: { bakedMs: 0 }, bedrock: { bakedMs: 0 } } });
    shown.looks({ ...alike, verdicts: { 'bedrock/script-errors': 'fail' } });
    const vertex = vertexOf(shown);
    expect(vertex && isNotReached(shown.rollout, vertex)).toBe(false);
  });
});
