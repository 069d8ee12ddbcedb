import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aStart, aTrack, specification } from '#libs/testing';
import { rolloutDecider } from './index.js';

const { given } = specification(rolloutDecider);

describe('start a rollout', () => {
  it('enters the first stage of the tracks that wait for nobody, on every target of theirs at once', () => {
    given()
      .when(aStart())
      .then(
        { type: 'RolloutPlanned', data: { config: 'router.context', revision: 2 } },
        { type: 'RolloutStarted' },
        { type: 'StageEntered', data: { track: 'api', stage: '1%', exposureBp: 100 } },
        {
          type: 'ExposureRequested',
          data: { target: 'api-us', candidate: 2, control: 1, shareBp: 100, purpose: 'stage' },
        },
        {
          type: 'ExposureRequested',
          data: { target: 'api-eu', candidate: 2, control: 1, shareBp: 100, purpose: 'stage' },
        },
      );
  });

  it('leaves the targets of a waiting track untouched', () => {
    const { state } = given()
      .when(aStart())
      .then(
        { type: 'RolloutPlanned' },
        { type: 'RolloutStarted' },
        { type: 'StageEntered' },
        { type: 'ExposureRequested' },
        { type: 'ExposureRequested' },
      );
    expect(state).toMatchObject({ status: 'staging', targets: { 'bedrock-us': { wanted: null } } });
  });

  it('starts all tracks at once when none waits for another', () => {
    const plan = aPlan({ tracks: [aTrack('api'), aTrack('bedrock')] });
    const entered = given().when(aStart(plan)).events();
    expect(entered.filter(({ type }) => type === 'StageEntered')).toMatchObject([
      { data: { track: 'api' } },
      { data: { track: 'bedrock' } },
    ]);
  });

  it('rule 7: pins the control of each target for the life of the rollout, and goes back to that one', () => {
    const controls = { 'api-us': 1, 'api-eu': 4, 'bedrock-us': 1 };
    given()
      .when(aStart(aPlan(), { revision: 5, controls }))
      .then(
        { type: 'RolloutPlanned', data: { controls } },
        { type: 'RolloutStarted' },
        { type: 'StageEntered' },
        { type: 'ExposureRequested', data: { target: 'api-us', control: 1 } },
        { type: 'ExposureRequested', data: { target: 'api-eu', control: 4 } },
      );
    const story = aRollout();
    story.aborts();
    expect(story.events.filter(({ type }) => type === 'ExposureRequested').slice(-2)).toMatchObject([
      { data: { purpose: 'rollback', control: 1 } },
      { data: { purpose: 'rollback', control: 1 } },
    ]);
  });

  it('rule 6: the generation of a target is the position of the event that asked for its exposure', () => {
    const { rollout, events } = aRollout().positionsGoOn(40).reaches('api', '10%');
    const asked = events.findLast(
      ({ type, data }) => type === 'ExposureRequested' && 'target' in data && data.target === 'api-eu',
    );
    expect(rollout.targets['api-eu']?.wanted?.generation).toBe(asked?.position);
  });

  it('is refused under an id that exists', () => {
    given(aRollout().events).when(aStart()).thenRejected('rollout-exists', 'ro-1');
  });

  it('is refused for a config that is assigned by nothing, which cannot be split', () => {
    given()
      .when(aStart(aPlan(), { assignment: null }))
      .thenRejected('not-supported-yet', 'assignment unit, request or instance', '/config');
  });

  it('keeps the reason why a revision that was rolled back is tried again', () => {
    const vetoReason = 'the TPU compiler is fixed';
    given()
      .when(aStart(aPlan(), { vetoReason }))
      .then(
        { type: 'RolloutPlanned', data: { vetoReason } },
        { type: 'RolloutStarted' },
        { type: 'StageEntered' },
        { type: 'ExposureRequested' },
        { type: 'ExposureRequested' },
      );
  });
});

describe('a rollout that does not exist', () => {
  it('can be neither paused, resumed, promoted, aborted nor assessed', () => {
    const facts = { targets: {}, stages: {}, verdicts: [], watch: { bakedMs: 0, silentMs: 0 } };
    for (const command of [
      { type: 'PauseRollout', reason: 'wait', until: null },
      { type: 'ResumeRollout', reason: 'go on' },
      { type: 'PromoteRollout', reason: 'sure', track: null, stages: null, facts },
      { type: 'AbortRollout', reason: 'no' },
      { type: 'AssessRollout', at: 0, facts },
    ] as const) {
      given().when(command).thenRejected('rollout-not-found', 'headgate status');
    }
  });
});
