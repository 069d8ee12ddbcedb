import { describe, expect, it } from 'vitest';
import { aPlan, aPlanSpec, aSignal, aStage, aTrack, SOME_SIGNALS, SOME_TARGETS } from '#libs/testing';
import { defaultMargin, planFaults, resolvePlan, stageName, type KnownTarget, type PlanSpec } from './index.js';

const catalogue = { targets: SOME_TARGETS, signals: SOME_SIGNALS };
const faultsOf = (change: Partial<PlanSpec>): readonly string[] =>
  planFaults(aPlanSpec(change)).map(({ code, field }) => `${code} ${field}`);
const refusalOf = (change: Partial<PlanSpec>, targets: readonly KnownTarget[] = SOME_TARGETS): string | undefined => {
  const resolved = resolvePlan('careful', 1, aPlanSpec(change), { ...catalogue, targets });
  return 'rejection' in resolved ? `${resolved.rejection.code} ${resolved.rejection.field}` : undefined;
};
const stages = (...exposures: readonly number[]) => ({
  tracks: [aTrack('api', { stages: exposures.map((share) => aStage(share)) })],
});

describe('a plan by itself', () => {
  it('with two tracks, growing stages and a guardrail has no fault', () => {
    expect(faultsOf({})).toEqual([]);
  });

  it.each<[string, Partial<PlanSpec>, string]>([
    ['a stage that exposes nothing', stages(0, 10_000), 'exposure-out-of-range /spec/tracks/0/stages/0/exposure'],
    [
      'a stage that exposes less than the one before',
      stages(1_000, 100, 10_000),
      'exposure-shrinks /spec/tracks/0/stages/1/exposure',
    ],
    [
      'a stage that exposes the same as the one before',
      stages(1_000, 1_000, 10_000),
      'exposure-shrinks /spec/tracks/0/stages/1/exposure',
    ],
    ['a track that ends before 100%', stages(100, 5_000), 'plan-stops-short /spec/tracks/0/stages/1/exposure'],
    [
      'a first stage without any control',
      { ...stages(10_000), holdback: 0, holdbackReason: 'tiny fleet' },
      'stage-never-measures /spec/tracks/0/stages/0/exposure',
    ],
    [
      'a margin for a signal that the plan does not have',
      { tracks: [aTrack('api', { stages: [aStage(10_000, { tolerate: { latency: 2 } })] })] },
      'signal-not-in-plan /spec/tracks/0/stages/0/tolerate/latency',
    ],
    ['two tracks of one name', { tracks: [aTrack('api'), aTrack('api')] }, 'duplicate-track /spec/tracks'],
    [
      'a signal listed twice',
      { signals: [aSignal('script-errors'), aSignal('script-errors')] },
      'duplicate-signal /spec/signals',
    ],
    [
      'nothing but shadow signals',
      { signals: [aSignal('refusals', { shadow: true })] },
      'nothing-guards /spec/signals',
    ],
    ['no holdback and no reason for that', { holdback: 0 }, 'holdback-reason-missing /spec/holdbackReason'],
    ['a holdback above one half', { holdback: 5_001 }, 'holdback-out-of-range /spec/holdback'],
    [
      'a track that waits for one that is not there',
      { tracks: [aTrack('api', { after: 'vertex/50%' })] },
      'track-not-found /spec/tracks/0/after',
    ],
    [
      'a track that waits for a stage that is not there',
      { tracks: [aTrack('api'), aTrack('bedrock', { after: 'api/25%' })] },
      'stage-not-found /spec/tracks/1/after',
    ],
  ])('is refused with %s', (_, change, fault) => {
    expect(faultsOf(change)).toContain(fault);
    expect(refusalOf(change)).toBeDefined();
  });

  it('is refused when tracks wait for each other in a circle, or for themselves', () => {
    const circle = [aTrack('api', { after: 'bedrock/50%' }), aTrack('bedrock', { after: 'api/50%' })];
    expect(faultsOf({ tracks: circle })).toEqual([
      'track-cycle /spec/tracks/0/after',
      'track-cycle /spec/tracks/1/after',
    ]);
    expect(faultsOf({ tracks: [aTrack('api', { after: 'api/1%' })] })).toEqual(['track-cycle /spec/tracks/0/after']);
  });

  it('may let one track wait for another without being part of a circle', () => {
    const chain = [aTrack('api'), aTrack('bedrock', { after: 'api' }), aTrack('vertex', { after: 'bedrock/10%' })];
    expect(faultsOf({ tracks: chain })).toEqual([]);
  });

  it('names every fault at once, each with the remedy', () => {
    const faults = planFaults(aPlanSpec({ ...stages(0, 5_000), holdback: 0 }));
    expect(faults.map(({ code }) => code)).toEqual([
      'holdback-reason-missing',
      'exposure-out-of-range',
      'plan-stops-short',
    ]);
    for (const { message } of faults) expect(message).toMatch(/: (give|say|its last stage must|Without)|say why/);
  });
});

describe('a plan on the registered targets and signals', () => {
  it('chooses the targets of each track by labels or by name', () => {
    const plan = aPlan({
      tracks: [aTrack('api', { targets: ['api-eu'] }), aTrack('rest', { targets: { hardware: 'trainium' } })],
    });
    expect(plan.tracks.map(({ targets }) => targets.map(({ target }) => target))).toEqual([
      ['api-eu'],
      ['api-us', 'bedrock-us'],
    ]);
  });

  it.each<[string, Partial<PlanSpec>, string]>([
    [
      'a target that is not registered',
      { tracks: [aTrack('api', { targets: ['mars'] })] },
      'target-not-found /spec/tracks/0/targets',
    ],
    [
      'labels that no target has',
      { tracks: [aTrack('api', { targets: { region: 'mars' } })] },
      'target-not-found /spec/tracks/0/targets',
    ],
    ['a signal that is not registered', { signals: [aSignal('latency')] }, 'signal-not-found /spec/signals/0/signal'],
    [
      'a target in two tracks',
      { tracks: [aTrack('api'), aTrack('eu', { targets: ['api-eu'] })] },
      'target-in-two-tracks /spec/tracks/1/targets',
    ],
  ])('is refused with %s', (_, change, refusal) => {
    expect(refusalOf(change)).toBe(refusal);
  });

  it('asks for no margin below 5%, 3 below 25%, 2 below 100%, and 1.5 at full exposure and to settle', () => {
    const plan = aPlan({
      tracks: [aTrack('api', { stages: [100, 500, 2_500, 10_000].map((share) => aStage(share)) })],
    });
    expect(plan.tracks[0]?.stages.map(({ tolerate }) => tolerate['script-errors'])).toEqual([null, 3, 2, 1.5]);
    expect(plan.signals.find(({ signal }) => signal === 'script-errors')?.settleTolerate).toBe(1.5);
    expect([499, 500, 2_499, 2_500, 9_999, 10_000].map(defaultMargin)).toEqual([null, 3, 3, 2, 2, 1.5]);
  });

  it('lets a stage or the plan ask for another margin, or for none', () => {
    const signals = [aSignal('script-errors', { tolerate: 4 }), aSignal('wrong-pool')];
    const own = [
      aStage(1_000, { tolerate: { 'script-errors': 'none' } }),
      aStage(5_000),
      aStage(10_000, { tolerate: { 'script-errors': 1.2 } }),
    ];
    const plan = aPlan({ signals, tracks: [aTrack('api', { stages: own })] });
    expect(plan.tracks[0]?.stages.map(({ tolerate }) => tolerate['script-errors'])).toEqual([null, 4, 1.2]);
    expect(plan.signals[0]?.settleTolerate).toBe(4);
  });

  it('asks for no margin of an invariant, and for none in a watch without a control', () => {
    const plan = aPlan({ holdback: 0, holdbackReason: 'tiny fleet' });
    expect(plan.tracks[0]?.stages.every(({ tolerate }) => tolerate['wrong-pool'] === undefined)).toBe(true);
    expect(plan.signals.map(({ settleTolerate }) => settleTolerate)).toEqual([null, null, null]);
    expect(plan.tracks[0]?.stages.at(-1)?.tolerate['script-errors']).toBeNull();
  });

  it('keeps the holdback back from the last stage, whose name stays 100%', () => {
    expect(aPlan().tracks[0]?.stages.map(({ name, exposureBp }) => [name, exposureBp])).toEqual([
      ['1%', 100],
      ['10%', 1_000],
      ['50%', 5_000],
      ['100%', 9_900],
    ]);
  });

  it('reads a wait without a stage as a wait for all of it', () => {
    const plan = aPlan({ tracks: [aTrack('api'), aTrack('bedrock', { after: 'api' })] });
    expect(plan.tracks[1]?.after).toEqual({ track: 'api', stage: '100%' });
  });

  it('names stages the way people write them', () => {
    expect([1, 50, 100, 1_250, 10_000].map(stageName)).toEqual(['0.01%', '0.5%', '1%', '12.5%', '100%']);
  });
});
