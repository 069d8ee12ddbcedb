import { describe, expect, it } from 'vitest';
import { aRollout, specification, type RolloutStory, type Shortcomings } from '#libs/testing';
import { rolloutDecider, waitingFor, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const promote = (
  story: RolloutStory,
  track: string | null = null,
  missing?: Shortcomings,
): Extract<RolloutCommand, { type: 'PromoteRollout' }> => ({
  type: 'PromoteRollout',
  reason: 'seen enough',
  track,
  stages: null,
  facts: story.facts(missing),
});
const pause = { type: 'PauseRollout', reason: 'look into it', until: null } as const;
const resume = { type: 'ResumeRollout', reason: 'all clear' } as const;
const abort = { type: 'AbortRollout', reason: 'it was a mistake' } as const;

const ready = (): RolloutStory => aRollout().arrives();
/** api in 100%, bedrock in 1%. */
const bothTracks = (): RolloutStory =>
  aRollout()
    .reaches('api', '100%')
    .arrives()
    .looks({ stages: { api: { bakedMs: 0 } } })
    .arrives();
const takenBack = (): RolloutStory => ready().aborts();
const over = {
  settled: () => aRollout().reachesStatus('settled'),
  'rolled-back': () => takenBack().reachesStatus('rolled-back'),
};

describe('pause a rollout', () => {
  it('holds it until someone resumes, and says why', () => {
    given(ready().events)
      .when(pause)
      .then({ type: 'RolloutHeld', data: { by: 'person', reason: 'look into it', until: null } });
  });

  it('stops every track, although nothing else is missing', () => {
    const story = bothTracks().does(pause);
    given(story.events).when(look(story)).thenNothing();
  });

  it('keeps a track out that would have been let in next, and the watch from beginning', () => {
    const opening = aRollout().reaches('api', '50%').arrives().looks().does(pause).arrives();
    given(opening.events).when(look(opening)).thenNothing();
    const last = aRollout().reaches('bedrock', '100%').arrives().looks().does(pause);
    given(last.events).when(look(last)).thenNothing();
  });

  it('twice is the same as once', () => {
    given(ready().does(pause).events).when(pause).thenNothing();
  });

  it('with another reason is recorded too, and that one holds from then on', () => {
    const again = { ...pause, reason: 'the pool is full' };
    given(ready().does(pause).events)
      .when(again)
      .then({ type: 'RolloutHeld', data: { by: 'person', reason: 'the pool is full', until: null } });
    expect(ready().does(pause).does(again).rollout.held?.reason).toBe('the pool is full');
  });

  it('can be made longer, and a resume ends it however often it was made', () => {
    const story = ready();
    const until = story.now + 60_000;
    story.does({ ...pause, until }).does({ ...pause, until: until + 60_000 });
    story.waits(60_000);
    given(story.events).when(look(story)).thenNothing();
    story.does(resume);
    expect(story.rollout.held).toBeNull();
  });

  it('takes over from a hold by policy', () => {
    const story = ready().looks({ stages: { api: { silentMs: 90_000 } } });
    given(story.events)
      .when(pause)
      .then({ type: 'RolloutHeld', data: { by: 'person' } });
  });

  it('ends by itself when it was set to', () => {
    const story = ready();
    story.does({ ...pause, until: story.now + 60_000 }).waits(59_999);
    given(story.events).when(look(story)).thenNothing();
    story.waits(1);
    given(story.events)
      .when(look(story))
      .then({ type: 'RolloutResumed', data: { by: 'policy', reason: 'the pause has run out' } });
  });

  it('rule 2: a paused rollout is still taken back when a signal fails', () => {
    const story = ready().does(pause);
    const types = given(story.events)
      .when(look(story, { verdicts: { 'script-errors': 'fail' } }))
      .types();
    expect(types).toContain('RollbackStarted');
  });

  it('rule 5: holds up no rollback', () => {
    given(takenBack().events).when(pause).thenRejected('rollback-under-way', 'nothing holds up');
  });

  it('keeps a rollout from becoming final while it settles', () => {
    const story = aRollout().reachesStatus('settling').does(pause).arrives();
    given(story.events).when(look(story)).thenNothing();
    story.does(resume);
    given(story.events).when(look(story)).then({ type: 'RolloutSettled' });
  });
});

describe('resume a rollout', () => {
  it('lets it go on where it stood', () => {
    const story = ready().does(pause);
    given(story.events)
      .when(resume)
      .then({ type: 'RolloutResumed', data: { by: 'person', reason: 'all clear' } });
    expect(given(story.does(resume).events).when(look(story)).types()).toContain('StagePassed');
  });

  it('changes nothing when nobody paused it', () => {
    given(ready().events).when(resume).thenNothing();
  });

  it('does not switch off a hold by policy: evidence does', () => {
    given(ready().looks({ stages: { api: { silentMs: 90_000 } } }).events)
      .when(resume)
      .thenNothing();
  });
});

describe('promote a rollout', () => {
  it('sends a stage on before its time, on the record with all that was missing', () => {
    const story = aRollout().arrives();
    const { events } = given(story.events)
      .when(
        promote(story, null, {
          stages: { api: { bakedMs: 5_000, activation: [] } },
          verdicts: { 'script-errors': 'inconclusive' },
        }),
      )
      .then(
        { type: 'BakeSkipped', data: { track: 'api', stage: '1%', reason: 'seen enough' } },
        { type: 'StagePassed', data: { track: 'api', stage: '1%', bakedMs: 5_000 } },
        { type: 'StageEntered', data: { track: 'api', stage: '10%' } },
        { type: 'ExposureRequested', data: { target: 'api-us', shareBp: 1_000 } },
        { type: 'ExposureRequested', data: { target: 'api-eu', shareBp: 1_000 } },
      );
    expect(events[0]?.data).toMatchObject({
      missing: [
        'bake: 5.0 s of 1 min',
        'activation: 0 of 50 units on api-us (trainium) × sonnet',
        'activation: 0 of 50 units on api-eu (tpu) × sonnet',
        'script-errors on api: inconclusive',
      ],
    });
  });

  it('marks the stage as skipped, so that nobody takes it for proven', () => {
    const story = aRollout().arrives();
    const { state } = given(story.events)
      .when(promote(story))
      .then(
        { type: 'BakeSkipped' },
        { type: 'StagePassed' },
        { type: 'StageEntered' },
        { type: 'ExposureRequested' },
        { type: 'ExposureRequested' },
      );
    expect(state).toMatchObject({ tracks: { api: { passed: [{ name: '1%', skipped: true }] } } });
  });

  it('concerns every track that is in a stage, or only the named one', () => {
    const story = bothTracks();
    const tracksOf = (track: string | null): readonly string[] =>
      given(story.events)
        .when(promote(story, track))
        .events()
        .flatMap((event) => (event.type === 'BakeSkipped' ? [event.data.track] : []));
    expect(tracksOf(null)).toEqual(['api', 'bedrock']);
    expect(tracksOf('bedrock')).toEqual(['bedrock']);
  });

  it('is refused for a track that is in no stage', () => {
    const story = ready();
    given(story.events).when(promote(story, 'bedrock')).thenRejected('nothing-to-promote', 'bedrock', '/track');
    given(story.events).when(promote(story, 'vertex')).thenRejected('track-not-found', 'api, bedrock', '/track');
  });

  it('is refused for a track in the watch, which is of the whole rollout', () => {
    const story = aRollout().reachesStatus('watching');
    given(story.events).when(promote(story, 'api')).thenRejected('nothing-to-promote', 'leave the track out', '/track');
    given(story.events).when(promote(story, 'vertex')).thenRejected('track-not-found', 'vertex', '/track');
  });

  it('is done once: a second click finds the stage passed and skips no second one', () => {
    const story = ready();
    const click = { ...promote(story), stages: ['api/1%'] };
    given(story.events)
      .when(click)
      .then(
        { type: 'BakeSkipped' },
        { type: 'StagePassed' },
        { type: 'StageEntered' },
        { type: 'ExposureRequested' },
        { type: 'ExposureRequested' },
      );
    const later = aRollout().reaches('api', '10%').arrives();
    given(later.events)
      .when({ ...promote(later), stages: ['api/1%'] })
      .thenRejected('stage-has-passed', 'api/1%', '/stages');
  });

  it('is refused past a failed signal, whatever the reason', () => {
    const story = ready();
    given(story.events)
      .when(promote(story, null, { verdicts: { 'wrong-pool': 'fail' } }))
      .thenRejected('guardrail-failed', 'wrong-pool on api: fail');
  });

  it('is not stopped by a shadow signal that fails', () => {
    const story = ready();
    expect(
      given(story.events)
        .when(promote(story, null, { verdicts: { refusals: 'fail' } }))
        .types(),
    ).toContain('StagePassed');
  });

  it('is refused while a person has paused it', () => {
    const story = ready().does(pause);
    given(story.events).when(promote(story)).thenRejected('rollout-held', 'look into it', 'resume');
  });

  it('is possible while a policy holds it, and says so among what was missing', () => {
    const story = ready().looks({ stages: { api: { silentMs: 90_000 } } });
    const [skipped] = given(story.events).when(promote(story)).events();
    expect(skipped).toMatchObject({ type: 'BakeSkipped', data: { missing: ['held: api: no evidence arrives'] } });
  });

  it('of the last stage leads into the watch although a policy holds it, and there it can be promoted again', () => {
    const silent = {
      stages: { api: { silentMs: 90_000 }, bedrock: { silentMs: 90_000 } },
      watch: { silentMs: 90_000 },
    };
    const held = aRollout().reaches('api', '100%').reaches('bedrock', '100%').arrives().looks(silent);
    const promoted = held.does(promote(held, null, silent));
    const watched = promoted.looks(silent).looks(silent);
    expect(watched.rollout).toMatchObject({ status: 'watching', held: { by: 'policy' } });
    expect(watched.does(promote(watched, null, silent)).rollout.status).toBe('settling');
  });

  it('of the last stage waits while a person has paused it since, and says so', () => {
    const last = aRollout().reaches('api', '100%').reaches('bedrock', '100%').arrives();
    const paused = last.does(promote(last)).does(pause).looks();
    expect(paused.rollout).toMatchObject({ status: 'staging', held: { by: 'person' } });
    expect(waitingFor(paused.rollout, paused.facts())).toEqual(['held: look into it']);
  });

  it('in the watch settles at once, on every target', () => {
    const story = aRollout().reachesStatus('watching').arrives();
    const settle = { type: 'ExposureRequested', data: { shareBp: 10_000, purpose: 'settle' } } as const;
    const { state } = given(story.events)
      .when(promote(story, null, { watch: { bakedMs: 1_000 } }))
      .then(
        { type: 'BakeSkipped', data: { track: '*', stage: 'watch', missing: ['watch: 1.0 s of 10 min'] } },
        settle,
        settle,
        settle,
      );
    expect(state.status).toBe('settling');
  });

  it('in the watch is refused past a failed signal too', () => {
    const story = aRollout().reachesStatus('watching').arrives();
    given(story.events)
      .when(promote(story, null, { verdicts: { 'script-errors': 'fail' } }))
      .thenRejected('guardrail-failed');
  });

  it('changes nothing while it settles', () => {
    const story = aRollout().reachesStatus('settling');
    given(story.events).when(promote(story)).thenNothing();
  });

  it('is refused while it is being rolled back', () => {
    const story = takenBack();
    given(story.events).when(promote(story)).thenRejected('rollback-under-way');
  });
});

describe('abort a rollout', () => {
  it('takes it back at once from every target that was asked to show it', () => {
    given(ready().events)
      .when(abort)
      .then(
        {
          type: 'RollbackStarted',
          data: { cause: 'abort', reason: 'it was a mistake', targets: ['api-us', 'api-eu'] },
        },
        { type: 'ExposureRequested', data: { target: 'api-us', shareBp: 0, purpose: 'rollback' } },
        { type: 'ExposureRequested', data: { target: 'api-eu', shareBp: 0, purpose: 'rollback' } },
      );
  });

  it('keeps what was known at that moment', () => {
    const story = ready();
    const { verdicts } = story.facts();
    given(story.events)
      .when({ ...abort, verdicts })
      .then(
        ...verdicts.map((verdict) => ({ type: 'VerdictRecorded' as const, data: { verdict } })),
        { type: 'RollbackStarted' },
        { type: 'ExposureRequested' },
        { type: 'ExposureRequested' },
      );
  });

  it('rule 5: needs no delivery, no convergence and no evidence', () => {
    expect(given(aRollout().events).when(abort).types()).toContain('RollbackStarted');
  });

  it.each(['watching', 'settling'] as const)('is possible while %s, on every target', (status) => {
    const [started] = given(aRollout().reachesStatus(status).events).when(abort).events();
    expect(started).toMatchObject({ data: { targets: ['api-us', 'api-eu', 'bedrock-us'] } });
  });

  it('twice is the same as once', () => {
    given(takenBack().events).when(abort).thenNothing();
  });

  it('is possible while it is paused', () => {
    expect(given(ready().does(pause).events).when(abort).types()[0]).toBe('RollbackStarted');
  });
});

describe.each(['settled', 'rolled-back'] as const)('a rollout that is %s', (status) => {
  it('cannot be paused, resumed, promoted or aborted any more', () => {
    const story = over[status]();
    for (const command of [pause, resume, abort, promote(story)]) {
      given(story.events).when(command).thenRejected('rollout-already-finished', status, 'Start another one');
    }
  });

  it('is not moved by anything that arrives late', () => {
    const story = over[status]();
    given(story.events)
      .when(look(story, { verdicts: { 'script-errors': 'fail' } }))
      .thenNothing();
    given(story.events).when({ type: 'RecordExposureChanged', target: 'api-us', generation: 9_999 }).thenNothing();
    given(story.events)
      .when({ type: 'RecordExposureFailed', target: 'api-us', generation: 9_999, error: 'gone' })
      .thenNothing();
  });
});

describe('record a delivery', () => {
  const generationOf = (story: RolloutStory): number => story.rollout.targets['api-us']?.wanted?.generation ?? 0;

  it('says which share is in force on the target', () => {
    const story = aRollout();
    const generation = generationOf(story);
    given(story.events)
      .when({ type: 'RecordExposureChanged', target: 'api-us', generation })
      .then({ type: 'ExposureChanged', data: { target: 'api-us', generation, shareBp: 100 } });
  });

  it('twice is the same as once', () => {
    const story = aRollout();
    const delivered = { type: 'RecordExposureChanged', target: 'api-us', generation: generationOf(story) } as const;
    given(story.does(delivered).events).when(delivered).thenNothing();
  });

  it('rule 6: a newer generation satisfies an older request', () => {
    const story = aRollout();
    const generation = generationOf(story);
    given(story.events)
      .when({ type: 'RecordExposureChanged', target: 'api-us', generation: generation + 100 })
      .then({ type: 'ExposureChanged', data: { generation } });
  });

  it('rule 6: an older generation satisfies nothing', () => {
    const story = aRollout();
    const generation = generationOf(story) - 1;
    given(story.events).when({ type: 'RecordExposureChanged', target: 'api-us', generation }).thenNothing();
    given(story.events)
      .when({ type: 'RecordExposureFailed', target: 'api-us', generation, error: 'late' })
      .thenNothing();
  });

  it('that failed is recorded once for each error, and is what the stage waits for', () => {
    const story = aRollout();
    const failed = {
      type: 'RecordExposureFailed',
      target: 'api-us',
      generation: generationOf(story),
      error: 'timeout',
    } as const;
    given(story.events)
      .when(failed)
      .then({ type: 'ExposureFailed', data: { error: 'timeout' } });
    given(story.does(failed).events).when(failed).thenNothing();
    given(story.events)
      .when({ ...failed, error: 'refused' })
      .then({ type: 'ExposureFailed', data: { error: 'refused' } });
  });

  it('that failed after another one had succeeded is no news', () => {
    const story = aRollout().delivers();
    given(story.events)
      .when({ type: 'RecordExposureFailed', target: 'api-us', generation: generationOf(story) + 50, error: 'timeout' })
      .thenNothing();
  });

  it('on a target that the rollout has not reached changes nothing', () => {
    given(aRollout().events)
      .when({ type: 'RecordExposureChanged', target: 'bedrock-us', generation: 99 })
      .thenNothing();
    given(aRollout().events).when({ type: 'RecordExposureChanged', target: 'mars', generation: 99 }).thenNothing();
  });
});
