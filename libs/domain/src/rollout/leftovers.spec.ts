import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { rolloutDecider, waitingFor, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const fail = { verdicts: { 'script-errors': 'fail' } } as const;
/** Plan: drain 30 s, grace 60 s. */
const readBack = (leftovers: 'wait' | 'clear' = 'clear'): RolloutStory =>
  aRollout(aPlan({ leftovers })).arrives().waits(5_000).looks(fail).waits(1_000).delivers().looks();
const leftoverOf = (story: RolloutStory) => ({
  requests: 1_204,
  units: 13,
  firstAt: story.now - 12_000,
  lastAt: story.now,
});
/** Still seen on api-us; nothing is known of api-eu. */
const stuck = (story: RolloutStory, more: object = {}): Shortcomings => {
  const known = { leftover: leftoverOf(story), candidateSeenAt: story.now, trafficSeenAt: story.now };
  return { targets: { 'api-us': { ...known, ...more }, 'api-eu': undefined } };
};

describe('what still comes to a withdrawn revision', () => {
  it('is what the drain waits for, with numbers', () => {
    const story = readBack().waits(10_000);
    expect(waitingFor(story.rollout, story.facts(stuck(story)))).toEqual([
      'api-us: drain, until no request has come to r2 for 30.0 s: 1204 requests of 13 units came to the withdrawn revision after it was asked back, over 12.0 s',
      'api-eu: drain, until no request has come to r2 for 30.0 s',
    ]);
  });

  it('is recorded with the end of the drain', () => {
    const story = readBack('wait').waits(60_000);
    const leftover = leftoverOf(story);
    const quiet = { leftover, candidateSeenAt: story.now - 30_000, trafficSeenAt: story.now };
    given(story.events)
      .when(look(story, { targets: { 'api-us': quiet, 'api-eu': undefined } }))
      .then({ type: 'TargetDrained', data: { target: 'api-us', outcome: 'drained', leftover } });
    story.looks({ targets: { 'api-us': quiet, 'api-eu': undefined } });
    expect(story.rollout.targets['api-us']).toMatchObject({ ended: 'drained', endedAt: story.now, leftover });
  });

  it('has the clients told to drop stickiness, once, when it goes on for a whole drain time after the read-back', () => {
    const story = readBack().waits(29_999);
    given(story.events)
      .when(look(story, stuck(story)))
      .thenNothing();
    story.waits(1);
    given(story.events)
      .when(look(story, stuck(story)))
      .then({ type: 'StickinessDropped', data: { target: 'api-us', leftover: leftoverOf(story) } });
    const before = story.rollout.targets['api-us']?.wanted?.generation ?? 0;
    story.looks(stuck(story));
    const after = story.rollout.targets['api-us'];
    expect(after).toMatchObject({ readBack: true, ended: null, clearedAt: story.now, wanted: { shareBp: 0 } });
    expect(after?.wanted?.generation).toBeGreaterThan(before);
    story.delivers().waits(60_000);
    expect(
      given(story.events)
        .when(look(story, stuck(story)))
        .types(),
    ).not.toContain('StickinessDropped');
  });

  it('leaves the drain open until every instance has the new ruleset and it is quiet for the drain time', () => {
    const story = readBack().waits(30_000);
    story.looks(stuck(story));
    const lastSeen = story.now + 500;
    story.waits(31_000);
    const quiet = (more: object = {}) => stuck(story, { candidateSeenAt: lastSeen, ...more });
    given(story.events)
      .when(look(story, quiet({ acknowledged: 0 })))
      .thenNothing();
    story.delivers().looks(quiet());
    given(story.events)
      .when(look(story, quiet()))
      .then({ type: 'TargetDrained', data: { outcome: 'drained' } });
  });

  it('is only waited for where the plan does not say otherwise', () => {
    const story = readBack('wait').waits(3_600_000);
    given(story.events)
      .when(look(story, stuck(story)))
      .thenNothing();
  });

  it('is not interfered with where another rollout was started since', () => {
    const story = readBack().waits(3_600_000);
    given(story.events)
      .when(look(story, stuck(story, { nextRollout: 'ro-2' })))
      .thenNothing();
  });

  it('is no reason to clear anything when it came before the read-back only', () => {
    const story = readBack().waits(29_000);
    const early = stuck(story, {
      candidateSeenAt: story.rollout.targets['api-us']?.readBackAt ?? 0,
      trafficSeenAt: null,
    });
    story.waits(10_000);
    given(story.events).when(look(story, early)).thenNothing();
  });
});
