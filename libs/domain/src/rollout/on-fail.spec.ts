import { describe, expect, it } from 'vitest';
import {
  aPlan,
  aRollout,
  aSignal,
  aStage,
  aTrack,
  SOME_SIGNALS,
  specification,
  type Shortcomings,
} from '#libs/testing';
import { missingForStage, rolloutDecider, type RolloutCommand } from './index.js';

const { given } = specification(rolloutDecider);

const planWith = (onFail: 'roll-back' | 'hold' | 'warn') =>
  aPlan({ tracks: [aTrack('api')], signals: [aSignal('wrong-pool'), aSignal('script-errors', { onFail })] });

const bad: Shortcomings = { verdicts: { 'script-errors': 'fail' } };

const story = (onFail: 'roll-back' | 'hold' | 'warn') => aRollout(planWith(onFail)).arrives();
const look = (of: ReturnType<typeof story>, missing?: Shortcomings): RolloutCommand => ({
  type: 'AssessRollout',
  at: of.now,
  facts: of.facts(missing),
});
const typesAt = (of: ReturnType<typeof story>, missing?: Shortcomings): readonly string[] =>
  given(of.events).when(look(of, missing)).types();

describe('a fail of a signal', () => {
  it('takes the rollout back by default', () => {
    expect(typesAt(story('roll-back'), bad)).toContain('RollbackStarted');
  });

  it('holds the rollout for its sentence where the plan says hold, and lets it go on once it is over', () => {
    const held = story('hold');
    given(held.events)
      .when(look(held, bad))
      .then(
        { type: 'VerdictRecorded' },
        { type: 'RolloutHeld', data: { by: 'policy', reason: expect.stringContaining('script-errors') as string } },
      );
    held.looks(bad);
    expect(typesAt(held, bad)).toEqual([]);
    expect(typesAt(held)).toContain('RolloutResumed');
  });

  it('that holds may be passed by a person, with a reason, stage by stage', () => {
    const held = story('hold').looks(bad);
    const types = given(held.events)
      .when({
        type: 'PromoteRollout',
        reason: 'the exporter is wrong',
        track: null,
        stages: null,
        facts: held.facts(bad),
      })
      .types();
    expect(types).toEqual(expect.arrayContaining(['BakeSkipped', 'StagePassed', 'StageEntered']));
  });

  it('is recorded and gone past where the plan says warn', () => {
    const warned = story('warn').looks(bad);
    expect(typesAt(warned, bad)).toContain('StagePassed');
    expect(warned.rollout.held).toBeNull();
  });

  it('is not gone past before the stage has the requests that it asks for', () => {
    const stages = [100, 10_000].map((exposure) => aStage(exposure, { samples: 1_000_000 }));
    const signals = [aSignal('wrong-pool'), aSignal('script-errors', { onFail: 'warn' })];
    const warned = aRollout(aPlan({ tracks: [aTrack('api', { stages })], signals }))
      .arrives()
      .looks(bad);
    expect(typesAt(warned, bad)).not.toContain('StagePassed');
  });
});

describe('a signal that a source counts', () => {
  const counted = SOME_SIGNALS.map((signal) =>
    signal.signal === 'script-errors' ? { ...signal, source: { type: 'prometheus' } } : signal,
  );
  const signals = [aSignal('wrong-pool'), aSignal('script-errors')];
  const plan = (change: object = {}) => aPlan({ tracks: [aTrack('api')], signals, ...change }, { signals: counted });

  it('holds by default when it fails, since alpha does not cover it', () => {
    expect(plan().signals).toMatchObject([
      { source: null, onFail: 'roll-back' },
      { source: 'prometheus', onFail: 'hold' },
    ]);
  });

  it('may have a limit, which others may not', () => {
    const limited = [aSignal('wrong-pool'), aSignal('script-errors', { limit: 0.02 })];
    expect(plan({ signals: limited }).signals[1]).toMatchObject({ limit: 0.02 });
    expect(() => aPlan({ signals: limited })).toThrow(/limit is for signals that a source counts/);
  });

  const observed = (of: ReturnType<typeof aRollout>, kind: 'inconclusive' | 'not-measured' = 'inconclusive') => {
    const facts = of.facts();
    const verdicts = facts.verdicts.map((verdict) =>
      verdict.signal === 'script-errors' ? { ...verdict, verdict: kind, method: 'before-after-v1' } : verdict,
    );
    return { ...facts, verdicts };
  };

  it('without arms keeps no stage, while another signal compares the arms', () => {
    const rollout = aRollout(plan()).arrives();
    const [track] = rollout.rollout.plan.tracks;
    expect(track && missingForStage(rollout.rollout, track, observed(rollout))).toEqual([]);
  });

  it('without arms keeps a stage as long as nothing was counted on its targets: unmeasured is never passed', () => {
    const rollout = aRollout(plan()).arrives();
    const [track] = rollout.rollout.plan.tracks;
    const facts = observed(rollout, 'not-measured');
    const said = facts.verdicts.flatMap(({ signal, sentence }) => (signal === 'script-errors' ? [sentence] : []));
    expect(track && missingForStage(rollout.rollout, track, facts)).toEqual([said[0]]);
  });

  it('without arms lets no stage go on by itself: that takes a named promote', () => {
    const alone = aRollout(plan({ signals: [aSignal('script-errors')] })).arrives();
    const [track] = alone.rollout.plan.tracks;
    expect(track && missingForStage(alone.rollout, track, observed(alone))).toEqual([
      expect.stringContaining('going on takes a promote'),
    ]);
  });
});
