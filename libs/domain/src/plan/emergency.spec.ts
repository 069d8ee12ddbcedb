import { describe, expect, it } from 'vitest';
import { aRollout, SOME_SIGNALS, SOME_TARGETS } from '#libs/testing';
import { alphaOfStart } from '../config/index.js';
import type { ResolvedPlan } from '../events/index.js';
import { EMERGENCY, emergencyPlan, planFaults, resolvePlan } from './index.js';

const spec = emergencyPlan(SOME_TARGETS, SOME_SIGNALS);
const plan = (): ResolvedPlan => {
  const resolved = resolvePlan(EMERGENCY, 0, spec, { targets: SOME_TARGETS, signals: SOME_SIGNALS });
  if ('rejection' in resolved) throw new Error(resolved.rejection.message);
  return { ...resolved.plan, alpha: alphaOfStart(resolved.plan.alpha, 0) };
};

describe('the built-in emergency plan', () => {
  it('is a plan like any other, without fault', () => {
    expect(planFaults(spec)).toEqual([]);
  });

  it('asks every target for all but the holdback in its first event', () => {
    const { events } = aRollout(plan());
    const asked = events.flatMap(({ type, data }) => (type === 'ExposureRequested' ? [data] : []));
    expect(asked.map(({ target, shareBp }) => [target, shareBp])).toEqual([
      ['api-us', 9_900],
      ['api-eu', 9_900],
      ['bedrock-us', 9_900],
    ]);
  });

  it('has every registered signal on guard, none of them as a shadow', () => {
    expect(plan().signals.map(({ signal, shadow }) => [signal, shadow])).toEqual([
      ['wrong-pool', false],
      ['script-errors', false],
      ['refusals', false],
    ]);
  });

  it.each(['wrong-pool', 'script-errors', 'refusals'])('rule 2: is taken back when %s fails', (signal) => {
    const story = aRollout(plan()).arrives();
    expect(story.looks({ verdicts: { [signal]: 'fail' } }).rollout.status).toBe('rolling-back');
  });

  it('asks for no proof, no activation and no bake, but rule 3: for being measured at all', () => {
    const { tracks, signals } = plan();
    expect(tracks.flatMap(({ stages }) => stages)).toMatchObject([{ bakeMs: 0, activation: 0, samples: 0 }]);
    expect(tracks[0]?.stages[0]?.tolerate).toEqual({ 'script-errors': null, refusals: null });
    expect(signals.map(({ settleTolerate }) => settleTolerate)).toEqual([null, null, null]);
    const story = aRollout(plan()).arrives();
    expect(story.looks({ verdicts: { refusals: 'not-measured' } }).looks().rollout.status).toBe('staging');
    expect(story.reachesStatus('settled').rollout.status).toBe('settled');
  });
});
