import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aStart, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { hasLetGo, liveAfter, rolloutDecider, waitingFor, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const supersede = { type: 'SupersedeRollout', by: 'ro-2', bypasses: false } as const;
const abandon = (target: string): RolloutCommand => ({
  type: 'AbandonTarget',
  target,
  reason: 'the region is closed for good',
});
const everywhere = ['api-us', 'api-eu', 'bedrock-us'];
const watched = (): RolloutStory => aRollout().reachesStatus('watching');

describe('supersede a rollout', () => {
  it('in its watch ends it, and leaves its revision live', () => {
    const { state } = given(watched().events)
      .when(supersede)
      .then({ type: 'RolloutSuperseded', data: { rollout: 'ro-1', by: 'ro-2' } });
    if (state.status === 'none') throw new Error('The rollout is there.');
    expect(state).toMatchObject({ status: 'superseded', endedAt: expect.any(Number) as number });
    expect(hasLetGo(state)).toBe(true);
    expect(liveAfter(state)).toEqual(Object.fromEntries(everywhere.map((target) => [target, 2])));
  });

  it('is refused while a person has paused its watch, but to what goes without stages: an undo waits for nobody', () => {
    const story = watched().does({ type: 'PauseRollout', reason: 'wait', until: null });
    given(story.events).when(supersede).thenRejected('rollout-held', 'paused (wait)', 'resume it', '/config');
    const undo = { ...supersede, bypasses: true };
    expect(given(story.events).when(undo).types()).toEqual(['RolloutSuperseded']);
  });

  it.each(['1%', '10%', '50%', '100%'])('is refused in stage %s, which can only be aborted first', (stage) => {
    given(aRollout().reaches('api', stage).events)
      .when(supersede)
      .thenRejected('rollout-already-running', 'ro-1', 'staging', 'abort it or wait', '/config');
  });

  it.each([
    ['settling', aRollout().reachesStatus('settling'), 'rollout-already-running'],
    ['rolling back', aRollout().arrives().aborts(), 'rollout-already-running'],
    ['settled', aRollout().reachesStatus('settled'), 'rollout-already-finished'],
    ['superseded already', watched().does(supersede), 'rollout-already-finished'],
  ] as const)('is refused while it is %s', (_, story, code) => {
    given(story.events).when(supersede).thenRejected(code, 'ro-1');
  });

  it('leaves nothing to do for the one that was superseded: it is neither judged, steered nor delivered any more', () => {
    const story = watched().does(supersede);
    given(story.events)
      .when(look(story, { verdicts: { 'script-errors': 'fail' } }))
      .thenNothing();
    given(story.events).when({ type: 'RecordExposureChanged', target: 'api-us', generation: 1_000 }).thenNothing();
    given(story.events)
      .when({ type: 'AbortRollout', reason: 'too late' })
      .thenRejected('rollout-already-finished', 'superseded');
  });
});

describe('a rollout that takes over from one that was watched', () => {
  const controls = Object.fromEntries(everywhere.map((target) => [target, 2]));
  const takesOver = { rollout: 'ro-2', revision: 3, controls, takesOver: everywhere };

  it('asks every target for the watched revision, also where its own track waits: no holdback of the old one is left', () => {
    const asked = given()
      .when(aStart(aPlan(), takesOver))
      .events()
      .flatMap(({ type, data }) => (type === 'ExposureRequested' ? [data] : []));
    expect(asked).toMatchObject([
      { target: 'api-us', candidate: 3, control: 2, shareBp: 100 },
      { target: 'api-eu', candidate: 3, control: 2, shareBp: 100 },
      { target: 'bedrock-us', candidate: 3, control: 2, shareBp: 0, purpose: 'stage' },
    ]);
  });

  it('enters the tracks that wait as any other does', () => {
    const story = aRollout(aPlan(), takesOver).reaches('bedrock', '1%');
    const last = story.events.findLast(({ data }) => 'target' in data && data.target === 'bedrock-us');
    expect(last).toMatchObject({ type: 'ExposureRequested', data: { shareBp: 100, control: 2 } });
    expect(story.reachesStatus('settled').rollout.status).toBe('settled');
  });

  it('goes back to the watched revision, on all targets', () => {
    const { rollout } = aRollout(aPlan(), takesOver).arrives().aborts().reachesStatus('rolled-back');
    expect(liveAfter(rollout)).toEqual(controls);
    expect(Object.values(rollout.targets).map(({ ended }) => ended)).toEqual(['drained', 'drained', 'drained']);
  });
});

describe('give a target up', () => {
  const silent: Shortcomings = { targets: { 'api-eu': undefined } };
  /** api-us is back, api-eu does not answer. */
  const stuck = (): RolloutStory => {
    const story = aRollout().arrives().aborts();
    return story.delivers('api-us').looks(silent).waits(60_000).looks(silent).looks(silent);
  };

  it('records it as abandoned, with the reason, for that target only', () => {
    const story = stuck();
    expect(waitingFor(story.rollout, story.facts(silent))).toEqual(['api-eu: reading back']);
    const { state } = given(story.events)
      .when(abandon('api-eu'))
      .then({
        type: 'TargetDrained',
        data: { target: 'api-eu', outcome: 'abandoned', lastSeenAt: null, detail: 'the region is closed for good' },
      });
    expect(state).toMatchObject({ targets: { 'api-us': { ended: 'drained' }, 'api-eu': { ended: 'abandoned' } } });
  });

  it('keeps on record what was seen there since it was asked back', () => {
    const leftover = { requests: 12, units: 3, firstAt: 1_000, lastAt: 2_000 };
    const { state } = given(stuck().events)
      .when({ type: 'AbandonTarget', target: 'api-eu', reason: 'closed', leftover })
      .then({ type: 'TargetDrained', data: { outcome: 'abandoned', lastSeenAt: 2_000, leftover } });
    expect(state).toMatchObject({ targets: { 'api-eu': { leftover } } });
  });

  it('lets the rollout end, and the record says which target was given up', () => {
    const story = stuck().does(abandon('api-eu'));
    given(story.events)
      .when(look(story, silent))
      .then({ type: 'RolledBack', data: { targets: { 'api-us': 'drained', 'api-eu': 'abandoned' } } });
  });

  it('lets another revision start at once, although the target was never read back', () => {
    const story = stuck();
    expect(hasLetGo(story.rollout)).toBe(false);
    expect(hasLetGo(story.does(abandon('api-eu')).rollout)).toBe(true);
  });

  it('does not end the rollout while another target is still open', () => {
    const story = aRollout().arrives().aborts().does(abandon('api-eu')).waits(600_000);
    given(story.events)
      .when(look(story, { targets: { 'api-us': undefined, 'api-eu': undefined } }))
      .thenNothing();
    expect(hasLetGo(story.rollout)).toBe(false);
  });

  it('is possible for one that was read back and never drains', () => {
    const story = aRollout().arrives().aborts().delivers().looks();
    expect(story.rollout.targets['api-eu']).toMatchObject({ readBack: true, ended: null });
    expect(given(story.events).when(abandon('api-eu')).types()).toEqual(['TargetDrained']);
  });

  it('twice is the same as once, and changes no other outcome', () => {
    const story = stuck().does(abandon('api-eu'));
    given(story.events).when(abandon('api-eu')).thenNothing();
    given(story.events).when(abandon('api-us')).thenNothing();
  });

  it.each([
    ['in a stage', () => aRollout().arrives()],
    ['in the watch', watched],
  ])('is refused %s: only a rollback can be stuck', (_, story) => {
    given(story().events).when(abandon('api-eu')).thenRejected('nothing-to-abandon', 'api-eu', '/target');
  });

  it('is refused for a target that the candidate never reached, and for one that is none', () => {
    const story = stuck();
    given(story.events).when(abandon('bedrock-us')).thenRejected('nothing-to-abandon', 'bedrock-us');
    given(story.events).when(abandon('mars')).thenRejected('target-not-found', 'api-us, api-eu, bedrock-us', '/target');
  });

  it('is refused after the end', () => {
    const story = aRollout().arrives().aborts().reachesStatus('rolled-back');
    given(story.events).when(abandon('api-eu')).thenRejected('rollout-already-finished', 'rolled-back');
  });
});

describe('a rollout without stages', () => {
  it('keeps for ever why it bypasses them, and what it takes back', () => {
    const [planned] = given()
      .when(aStart(aPlan(), { bypass: 'pages are down', reverts: 3 }))
      .events();
    expect(planned).toMatchObject({ type: 'RolloutPlanned', data: { bypass: 'pages are down', reverts: 3 } });
    expect(aRollout(aPlan(), { bypass: 'pages are down', reverts: 3 }).rollout).toMatchObject({
      bypass: 'pages are down',
      reverts: 3,
    });
  });

  it('is none by default', () => {
    expect(aRollout().rollout).toMatchObject({ bypass: null, reverts: null });
  });
});
