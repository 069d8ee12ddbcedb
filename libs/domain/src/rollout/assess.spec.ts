import { describe, expect, it } from 'vitest';
import {
  aPlan,
  aRollout,
  aStage,
  aTrack,
  aVerdict,
  specification,
  type RolloutStory,
  type Shortcomings,
} from '#libs/testing';
import { missingForStage, rolloutDecider, waitingFor, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const look = (story: RolloutStory, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: story.now,
  facts: story.facts(missing),
});
const fail = { verdicts: { 'script-errors': 'fail' } } as const;
const missingIn = (story: RolloutStory, missing: Shortcomings): readonly string[] => {
  const [track] = story.rollout.plan.tracks;
  return track ? missingForStage(story.rollout, track, story.facts(missing)) : [];
};

/** At the end of a stage each verdict is written with its newest counts, changed or not. */
const standingVerdicts = (story: RolloutStory, track: string, missing?: Shortcomings) =>
  story
    .facts(missing)
    .verdicts.filter((verdict) => verdict.track === track)
    .map((verdict) => ({ type: 'VerdictRecorded' as const, data: { verdict } }));

describe('convergence of a target', () => {
  it('is recorded once every live instance has acknowledged the generation asked of it', () => {
    given(aRollout().delivers().events)
      .when(look(aRollout().delivers(), { verdicts: { 'wrong-pool': 'pass' } }))
      .then(
        { type: 'TargetConverged', data: { target: 'api-us', generation: 4, instances: 3 } },
        { type: 'TargetConverged', data: { target: 'api-eu', generation: 5, instances: 3 } },
        { type: 'VerdictRecorded' },
        { type: 'VerdictRecorded' },
        { type: 'VerdictRecorded' },
      );
  });

  const convergedWith = (known: NonNullable<Shortcomings['targets']>[string]): boolean => {
    const story = aRollout().delivers();
    const types = given(story.events)
      .when(look(story, { targets: { 'api-us': known, 'api-eu': undefined } }))
      .types();
    return types.includes('TargetConverged');
  };

  it('is not recorded while one instance is behind, none is alive, or the target does not answer', () => {
    expect(convergedWith({})).toBe(true);
    expect(convergedWith({ acknowledged: 2 })).toBe(false);
    expect(convergedWith({ acknowledgedGeneration: 3 })).toBe(false);
    expect(convergedWith({ instances: 0, acknowledged: 0 })).toBe(false);
    expect(convergedWith(undefined)).toBe(false);
  });

  it('is not recorded before delivery is', () => {
    const types = given(aRollout().events).when(look(aRollout())).types();
    expect(types).not.toContain('TargetConverged');
  });
});

describe('verdicts', () => {
  it('are recorded when they change, not at every look', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(look(story, { stages: { api: { bakedMs: 0 } } }))
      .thenNothing();
    given(story.events)
      .when(look(story, { verdicts: { 'script-errors': 'inconclusive' } }))
      .then({
        type: 'VerdictRecorded',
        data: { verdict: expect.objectContaining({ signal: 'script-errors', verdict: 'inconclusive' }) },
      });
  });

  it('are recorded anew for each stage', () => {
    const story = aRollout().reaches('api', '10%').delivers();
    const recorded = given(story.events)
      .when(look(story))
      .events()
      .filter(({ type }) => type === 'VerdictRecorded');
    expect(recorded).toHaveLength(3);
  });

  it('on a stage that was left meanwhile are not recorded', () => {
    const story = aRollout().arrives();
    const stale = look(story, { verdicts: { 'script-errors': 'inconclusive' } });
    story.looks();
    const types = given(story.events).when(stale).types();
    expect(types).not.toContain('VerdictRecorded');
  });
});

describe('rule 4: a stage passes only with all of it', () => {
  const ready = (): RolloutStory => aRollout().arrives();

  it('passes, and enters the next one on every target of the track, when nothing is missing', () => {
    const story = ready();
    given(story.events)
      .when(look(story))
      .then(
        ...standingVerdicts(story, 'api'),
        {
          type: 'StagePassed',
          data: {
            track: 'api',
            stage: '1%',
            bakedMs: 60_000,
            sentences: ['wrong-pool on api: pass', 'script-errors on api: pass'],
          },
        },
        { type: 'StageEntered', data: { track: 'api', stage: '10%', exposureBp: 1_000 } },
        { type: 'ExposureRequested', data: { target: 'api-us', shareBp: 1_000 } },
        { type: 'ExposureRequested', data: { target: 'api-eu', shareBp: 1_000 } },
      );
  });

  it.each<[string, Shortcomings, string]>([
    ['bake', { stages: { api: { bakedMs: 59_000 } } }, 'bake: 59.0 s of 1 min'],
    [
      'activation in every hardware × model cell',
      {
        stages: {
          api: {
            activation: [
              { target: 'api-us', model: 'sonnet', units: 50 },
              { target: 'api-eu', model: 'sonnet', units: 49 },
            ],
          },
        },
      },
      'activation: 49 of 50 units on api-eu (tpu) × sonnet',
    ],
    ['measured signals', { verdicts: { 'script-errors': 'not-measured' } }, 'script-errors on api: not-measured'],
    ['conclusive signals', { verdicts: { 'wrong-pool': 'inconclusive' } }, 'wrong-pool on api: inconclusive'],
  ])('waits for its %s', (_, missing, words) => {
    const story = ready();
    const types = given(story.events).when(look(story, missing)).types();
    expect(types).not.toContain('StagePassed');
    expect(missingIn(story, missing)).toEqual([words]);
  });

  it('waits for delivery and convergence, and says for what', () => {
    const story = aRollout();
    expect(missingIn(story, {})).toEqual(['api-us: delivery', 'api-eu: delivery']);
    story.does({ type: 'RecordExposureFailed', target: 'api-us', generation: 4, error: 'timeout' }).delivers('api-eu');
    expect(missingIn(story, { targets: { 'api-eu': { acknowledged: 1 } } })).toEqual([
      'api-us: delivery, which failed: timeout',
      'api-eu: 1 of 3 instances have acknowledged generation 5',
    ]);
    story.delivers();
    expect(missingIn(story, { targets: { 'api-us': undefined } })).toContain(
      'api-us: no live instance has acknowledged anything',
    );
  });

  it('does not wait for a shadow signal', () => {
    const story = ready().looks({ verdicts: { refusals: 'fail' }, stages: { api: { bakedMs: 0 } } });
    expect(
      given(story.events)
        .when(look(story, { verdicts: { refusals: 'fail' } }))
        .types(),
    ).toContain('StagePassed');
  });

  it('takes no bake, activation or verdict over from the stage before', () => {
    const story = ready();
    const stale = look(story);
    story.does(stale).arrives();
    given(story.events).when(stale).thenNothing();
    expect(missingIn(story, { stages: { api: { stage: '1%' } } })).toEqual([
      'bake: 0.0 s of 1 min',
      'activation: 0 of 50 units on api-us (trainium) × sonnet',
      'activation: 0 of 50 units on api-eu (tpu) × sonnet',
    ]);
    const facts = story.facts();
    const old = [aVerdict('wrong-pool', 'pass', { track: 'api', stage: '1%' })];
    given(story.events)
      .when({ type: 'AssessRollout', at: story.now, facts: { ...facts, verdicts: old } })
      .thenNothing();
  });
});

describe('a track that waits for another', () => {
  const waiting = (): RolloutStory => aRollout().reaches('api', '50%').arrives();
  const notYet: Shortcomings = { stages: { api: { bakedMs: 0 } } };

  it('stays out until the stage it waits for has passed', () => {
    const story = waiting();
    given(story.events).when(look(story, notYet)).thenNothing();
    expect(waitingFor(story.rollout, story.facts(notYet))).toEqual(['api/50% bake: 0.0 s of 1 min']);
  });

  it('enters its first stage then, while the other one goes on', () => {
    const story = waiting().looks().arrives();
    given(story.events)
      .when(look(story, notYet))
      .then(
        { type: 'StageEntered', data: { track: 'bedrock', stage: '1%' } },
        { type: 'ExposureRequested', data: { target: 'bedrock-us', shareBp: 100 } },
      );
  });

  it('goes on at its own pace', () => {
    const story = waiting().looks().arrives().looks(notYet).arrives();
    const { state } = given(story.events)
      .when(look(story, notYet))
      .then(
        ...standingVerdicts(story, 'bedrock', notYet),
        { type: 'StagePassed', data: { track: 'bedrock' } },
        { type: 'StageEntered', data: { track: 'bedrock', stage: '10%' } },
        { type: 'ExposureRequested' },
      );
    expect(state).toMatchObject({ tracks: { api: { stage: 3 }, bedrock: { stage: 1 } } });
  });

  it('is taken back together with the other one, wherever each of them is', () => {
    const story = waiting().looks().arrives().looks(notYet);
    const started = given(story.events)
      .when(look(story, fail))
      .events()
      .find(({ type }) => type === 'RollbackStarted');
    expect(started).toMatchObject({ data: { targets: ['api-us', 'api-eu', 'bedrock-us'] } });
  });
});

describe('full exposure and watch', () => {
  it('is reached when every track has passed every stage, and leaves the holdback on the control', () => {
    const story = aRollout().reachesStatus('watching');
    expect(story.events.at(-1)).toMatchObject({ type: 'FullyExposed', data: { holdbackBp: 100 } });
    expect(Object.values(story.rollout.targets).map(({ wanted }) => wanted?.shareBp)).toEqual([9_900, 9_900, 9_900]);
  });

  it('is not reached while a track is still waiting or in a stage', () => {
    const story = aRollout().reaches('bedrock', '100%').arrives();
    expect(story.rollout.status).toBe('staging');
  });

  it.each<[string, Shortcomings, string]>([
    ['its time', { watch: { bakedMs: 599_000 } }, 'watch: 9 min 59 s of 10 min'],
    ['its signals', { verdicts: { 'script-errors': 'inconclusive' } }, 'script-errors on everything: inconclusive'],
    ['measurements', { verdicts: { 'wrong-pool': 'not-measured' } }, 'wrong-pool on everything: not-measured'],
  ])('the watch waits for %s', (_, missing, words) => {
    const story = aRollout().reachesStatus('watching').arrives();
    expect(given(story.events).when(look(story, missing)).types()).not.toContain('ExposureRequested');
    expect(waitingFor(story.rollout, story.facts(missing))).toEqual([words]);
  });

  it('then asks for the holdback too, on every target', () => {
    const story = aRollout().reachesStatus('watching').arrives();
    const settle = { type: 'ExposureRequested', data: { shareBp: 10_000, purpose: 'settle' } } as const;
    const decided = given(story.events).when(look(story));
    // What the watch has seen is on record before it ends.
    const verdict = {
      type: 'VerdictRecorded',
      data: { verdict: expect.objectContaining({ stage: 'watch' }) },
    } as never;
    decided.then(verdict, verdict, verdict, settle, settle, settle);
  });

  it('rule 7: settles only when every target has converged on all of it', () => {
    const story = aRollout().reachesStatus('settling').delivers();
    story.looks({ targets: { 'bedrock-us': { acknowledged: 2 } } });
    given(story.events)
      .when(look(story, { targets: { 'bedrock-us': { acknowledged: 2 } } }))
      .thenNothing();
    story.looks();
    given(story.events)
      .when(look(story))
      .then({
        type: 'RolloutSettled',
        data: { config: 'router.context', revision: 2, targets: ['api-us', 'api-eu', 'bedrock-us'] },
      });
  });

  it('of a plan without a holdback ends with everything on the candidate, and settles alike', () => {
    const plan = aPlan({
      holdback: 0,
      holdbackReason: 'two customers',
      tracks: [aTrack('api', { stages: [aStage(5_000), aStage(10_000)] })],
    });
    const story = aRollout(plan).reachesStatus('watching');
    expect(story.rollout.targets['api-us']?.wanted?.shareBp).toBe(10_000);
    expect(story.reachesStatus('settled').rollout.status).toBe('settled');
  });
});

describe('silence', () => {
  const silent = (track: string, ms = 60_001): Shortcomings => ({ stages: { [track]: { silentMs: ms } } });

  it('rule 3: holds the rollout after the plan’s grace, and says where', () => {
    const story = aRollout().arrives();
    given(story.events)
      .when(look(story, { stages: { api: { silentMs: 60_000, bakedMs: 0 } } }))
      .thenNothing();
    given(story.events)
      .when(look(story, silent('api')))
      .then({ type: 'RolloutHeld', data: { by: 'policy', reason: 'api: no evidence arrives', until: null } });
  });

  it('is not recorded twice, and stops the stage from passing', () => {
    const story = aRollout().arrives().looks(silent('api'));
    given(story.events)
      .when(look(story, silent('api')))
      .thenNothing();
  });

  it('gives way to another reason that takes its place, so that nobody looks for what is over', () => {
    const story = aRollout().arrives().looks(silent('api'));
    const skewed = (counts: string): RolloutCommand => ({
      type: 'AssessRollout',
      at: story.now,
      facts: { ...story.facts(), skew: `assignment on api-us: ${counts}` },
    });
    const { history } = given(story.events)
      .when(skewed('3 of 900 are on the candidate'))
      .then({ type: 'RolloutHeld', data: { reason: 'assignment on api-us: 3 of 900 are on the candidate' } });
    given(history).when(skewed('4 of 980 are on the candidate')).thenNothing();
  });

  it('ends with the first evidence', () => {
    const story = aRollout().arrives().looks(silent('api'));
    given(story.events)
      .when(look(story))
      .then({ type: 'RolloutResumed', data: { by: 'policy', reason: 'what it was held for is over' } });
  });

  it('rule 2: a held rollout is still taken back when a signal fails', () => {
    const story = aRollout().arrives().looks(silent('api'));
    expect(
      given(story.events)
        .when(look(story, { ...silent('api'), ...fail }))
        .types(),
    ).toContain('RollbackStarted');
  });

  it('holds too on a track that has passed all its stages, while another one is still in one', () => {
    const story = aRollout().reaches('bedrock', '10%').arrives();
    given(story.events)
      .when(look(story, silent('api')))
      .then({ type: 'RolloutHeld', data: { reason: 'api: no evidence arrives' } });
  });

  it('holds in the watch as well', () => {
    const story = aRollout().reachesStatus('watching').arrives();
    given(story.events)
      .when(look(story, { watch: { silentMs: 60_001 } }))
      .then({ type: 'RolloutHeld', data: { reason: 'the watch: no evidence arrives' } });
  });

  it('leaves the pause of a person alone', () => {
    const story = aRollout().arrives().does({ type: 'PauseRollout', reason: 'lunch', until: null });
    given(story.events)
      .when(look(story, silent('api')))
      .thenNothing();
  });
});
