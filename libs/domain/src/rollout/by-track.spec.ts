import { describe, expect, it } from 'vitest';
import {
  aPlan,
  aRollout,
  aTrack,
  SOME_TARGETS,
  specification,
  type RolloutStory,
  type Shortcomings,
} from '#libs/testing';
import { hasLetGo, isDone, letGoOf, liveAfter, rolloutDecider, waitingFor, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

/** Tracks api and bedrock side by side, each taken back by itself. */
const sideBySide = aPlan({ rollbackScope: 'track', tracks: [aTrack('api'), aTrack('bedrock')] });
/** Track bedrock after api/50%. */
const oneAfterTheOther = aPlan({ rollbackScope: 'track' });

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const failOn = (track: string): Shortcomings => ({ verdicts: { [`${track}/script-errors`]: 'fail' } });
const apiFailed = (): RolloutStory => aRollout(sideBySide).arrives().waits(5_000).looks(failOn('api'));

describe('a signal that fails in one track, where tracks are taken back alone', () => {
  it('takes back that track and names it; the other is not touched', () => {
    const story = aRollout(sideBySide).arrives();
    const events = given(story.events)
      .when(look(story, failOn('api')))
      .events();
    expect(events.filter(({ type }) => type !== 'VerdictRecorded')).toMatchObject([
      { type: 'DegradationDetected', data: { stages: ['api/1%'] } },
      { type: 'RollbackStarted', data: { track: 'api', targets: ['api-us', 'api-eu'] } },
      { type: 'ExposureRequested', data: { target: 'api-us', shareBp: 0, purpose: 'rollback' } },
      { type: 'ExposureRequested', data: { target: 'api-eu', shareBp: 0, purpose: 'rollback' } },
    ]);
  });

  it('leaves the rollout where it was: the other track goes on, is judged and can be promoted', () => {
    const story = apiFailed();
    expect(story.rollout).toMatchObject({ status: 'staging', held: null });
    const promote = { type: 'PromoteRollout', reason: 'go', track: null, stages: null, facts: story.facts() } as const;
    const passed = given(story.events).when(promote).events();
    expect(passed.filter(({ type }) => type === 'StagePassed')).toMatchObject([{ data: { track: 'bedrock' } }]);
  });

  it('is not found twice, whatever later looks say of the track that is gone', () => {
    const story = apiFailed();
    const events = given(story.events)
      .when(look(story, failOn('api')))
      .types();
    expect(events).not.toContain('RollbackStarted');
  });

  it('rule 2: also in a track that has passed all its stages while another is still in one', () => {
    const story = aRollout(oneAfterTheOther).reaches('bedrock', '1%');
    while (story.rollout.tracks['api']?.passed.length !== 4) story.arrives().looks(failOn('nothing'));
    const events = given(story.events)
      .when(look(story, failOn('api')))
      .events();
    expect(events.find(({ type }) => type === 'RollbackStarted')).toMatchObject({ data: { track: 'api' } });
  });

  it('takes back the whole rollout when nothing else would be left of it', () => {
    const story = apiFailed();
    const events = given(story.events)
      .when(look(story, failOn('bedrock')))
      .events();
    expect(events.find(({ type }) => type === 'RollbackStarted')).toMatchObject({
      data: { track: null, targets: ['bedrock-us'] },
    });
    const asked = events.flatMap((event) => (event.type === 'ExposureRequested' ? [event.data.target] : []));
    expect(asked, 'the others were asked before').toEqual(['bedrock-us']);
  });

  it('takes back the whole rollout when the others only wait for it', () => {
    const story = aRollout(oneAfterTheOther).arrives();
    const events = given(story.events)
      .when(look(story, failOn('api')))
      .events();
    expect(events.find(({ type }) => type === 'RollbackStarted')).toMatchObject({ data: { track: null } });
  });
});

describe('a rollout of which one track was taken back', () => {
  it('lets go of its targets once they are read back, and rests on the control there', () => {
    const story = apiFailed();
    expect(letGoOf(story.rollout)).toEqual([]);
    story.delivers().looks();
    expect(letGoOf(story.rollout)).toEqual(['api-us', 'api-eu']);
    expect(liveAfter(story.rollout)).toMatchObject({ 'api-us': 1, 'api-eu': 1 });
  });

  it('settles on what is left when the rest is read back, and its drain goes on', () => {
    const unseen = { trafficSeenAt: null, candidateSeenAt: null };
    const story = apiFailed().untilThat(({ status }) => status === 'settled', {
      targets: { 'api-us': unseen, 'api-eu': unseen },
    });
    const settled = story.events.find(({ type }) => type === 'RolloutSettled');
    expect(settled).toMatchObject({ data: { targets: ['bedrock-us'] } });
    expect(liveAfter(story.rollout)).toEqual({ 'api-us': 1, 'api-eu': 1, 'bedrock-us': 2 });
    expect(story.rollout.targets['api-us']).toMatchObject({ readBack: true, ended: null });
    expect(waitingFor(story.rollout, story.facts())).toEqual([
      expect.stringContaining('api-us: drain'),
      expect.stringContaining('api-eu: drain'),
    ]);
    story.waits(600_000).looks();
    expect(story.rollout).toMatchObject({ status: 'settled', targets: { 'api-us': { ended: 'drained' } } });
    expect(isDone(story.rollout)).toBe(true);
  });

  it('waits with the end for a target that does not answer, says so, and a person can give it up', () => {
    const silent = { targets: { 'api-us': undefined } };
    const story = apiFailed().untilThat(({ status }) => status === 'settling', silent);
    for (let again = 0; again < 3; again += 1) story.waits(31_000).delivers().looks(silent);
    expect(story.rollout.status).toBe('settling');
    expect(waitingFor(story.rollout, story.facts(silent))).toEqual(['api-us: reading back']);
    story.does({ type: 'AbandonTarget', target: 'api-us', reason: 'the region is gone' }).looks(silent).looks(silent);
    expect(story.rollout.status).toBe('settled');
  });

  /** It takes over from another rollout, also where its last track still waits for the one that has failed. */
  const takenOver = () => {
    const targets = ['api-us', 'api-eu', 'bedrock-us', 'vertex-us'];
    const catalogue = { targets: [...SOME_TARGETS, { ...SOME_TARGETS[2]!, target: 'vertex-us', platform: 'vertex' }] };
    const tracks = [aTrack('api'), aTrack('bedrock'), aTrack('vertex', { after: 'api/50%' })];
    const controls = Object.fromEntries(targets.map((target) => [target, 2]));
    const takesOver = { rollout: 'ro-2', revision: 3, controls, takesOver: targets };
    return aRollout(aPlan({ rollbackScope: 'track', tracks }, catalogue), takesOver)
      .arrives()
      .waits(5_000)
      .looks(failOn('api'));
  };

  it('asks nothing more of targets that it let go of with that track, since another may hold them by now', () => {
    const story = takenOver().delivers().looks();
    expect(letGoOf(story.rollout)).toEqual(['api-us', 'api-eu', 'vertex-us']);
    const events = given(story.events).when({ type: 'AbortRollout', reason: 'enough' }).events();
    expect(events[0]).toMatchObject({ type: 'RollbackStarted', data: { targets: ['bedrock-us'] } });
    const { rollout, events: all } = story.aborts().reachesStatus('rolled-back');
    expect(hasLetGo(rollout)).toBe(true);
    expect(all.at(-1)).toMatchObject({
      type: 'RolledBack',
      data: { targets: { 'api-us': 'drained', 'api-eu': 'drained', 'bedrock-us': 'drained' } },
    });
  });

  it('keeps a target that was asked back before its track could be let go of, until that is read back', () => {
    const story = takenOver().aborts().delivers('api-us', 'api-eu').looks();
    expect(letGoOf(story.rollout)).toEqual(['api-us', 'api-eu']);
    expect(letGoOf(story.delivers('vertex-us').looks().rollout)).toEqual(['api-us', 'api-eu', 'vertex-us']);
    expect(hasLetGo(story.reachesStatus('rolled-back').rollout)).toBe(true);
  });

  describe('and from which another takes over', () => {
    const supersede = { type: 'SupersedeRollout', by: 'ro-2', bypasses: false } as const;
    /** Nobody is served there, so no drain is seen. */
    const unseen = { trafficSeenAt: null, candidateSeenAt: null };
    const undrained: Shortcomings = { targets: { 'api-us': unseen, 'api-eu': unseen } };
    const watched = (missing: Shortcomings): RolloutStory =>
      apiFailed().untilThat(({ status }) => status === 'watching', missing);

    it('rule 5: ends the drain of that track all the same, and nothing else', () => {
      const story = watched(undrained).does(supersede).waits(600_000);
      const { endedAt } = story.rollout;
      expect(isDone(story.rollout)).toBe(false);
      const ends = given(story.events)
        .when(look(story, failOn('bedrock')))
        .events();
      expect(ends).toMatchObject([
        { type: 'TargetDrained', data: { target: 'api-us', outcome: 'drained' } },
        { type: 'TargetDrained', data: { target: 'api-eu', outcome: 'drained' } },
      ]);
      expect(story.looks().rollout).toMatchObject({ status: 'superseded', endedAt });
      expect(isDone(story.rollout)).toBe(true);
    });

    it('can be told that such a drain is given up', () => {
      const story = watched(undrained).does(supersede);
      const giveUp = (target: string) => ({ type: 'AbandonTarget', target, reason: 'it is closed' }) as const;
      expect(given(story.events).when(giveUp('api-us')).types()).toEqual(['TargetDrained']);
      given(story.events).when(giveUp('bedrock-us')).thenRejected('rollout-already-finished', 'superseded');
    });

    it('keeps it waiting until what was taken back is read back, or given up', () => {
      const silent: Shortcomings = { targets: { 'api-us': undefined } };
      const story = watched(silent);
      given(story.events)
        .when({ ...supersede, bypasses: true })
        .thenRejected('rollback-under-way', 'r2 back on api-us', 'headgate abandon', '/config');
      story.does({ type: 'AbandonTarget', target: 'api-us', reason: 'the region is gone' });
      expect(given(story.events).when(supersede).types()).toEqual(['RolloutSuperseded']);
    });
  });

  it('can still be aborted, which takes back what is left', () => {
    const story = apiFailed();
    const events = given(story.events).when({ type: 'AbortRollout', reason: 'enough' }).events();
    expect(events).toMatchObject([
      { type: 'RollbackStarted', data: { track: null, targets: ['bedrock-us'] } },
      { type: 'ExposureRequested', data: { target: 'bedrock-us', shareBp: 0 } },
    ]);
  });
});
