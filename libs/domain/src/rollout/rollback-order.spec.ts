import { describe, expect, it } from 'vitest';
import { aPlan, aPlanSpec, aRollout, SOME_SIGNALS, SOME_TARGETS, type Shortcomings } from '#libs/testing';
import type { PlanSpec, RolloutEvent } from '../index.js';
import { resolvePlan } from '../plan/index.js';

const fail: Shortcomings = { verdicts: { 'script-errors': 'fail' } };
const TRAFFIC = { 'api-us': 8.1234, 'api-eu': 120, 'bedrock-us': 40 };

const takenBack = (rollbackOrder: PlanSpec['rollbackOrder'], onCandidate: Shortcomings['onCandidate'] = TRAFFIC) => {
  const story = aRollout(aPlan({ rollbackOrder })).reachesStatus('watching');
  const { events } = story;
  story.looks({ ...fail, onCandidate });
  const added: readonly RolloutEvent[] = story.events.slice(events.length);
  const started = added.find((event) => event.type === 'RollbackStarted');
  const asked = added.flatMap((event) => (event.type === 'ExposureRequested' ? [event.data.target] : []));
  return { started: started?.data, asked, rollout: story.rollout };
};

describe('the order of a rollback', () => {
  it('begins where the candidate has most traffic, and says how much', () => {
    const { started, asked, rollout } = takenBack(undefined);
    expect(asked).toEqual(['api-eu', 'bedrock-us', 'api-us']);
    expect(started).toMatchObject({
      targets: asked,
      order: { by: 'blast-radius', requestsPerSecond: { 'api-eu': 120, 'bedrock-us': 40, 'api-us': 8.12 } },
    });
    expect(rollout.targets['api-eu']?.back).toEqual({ place: 1, requestsPerSecond: 120 });
    expect(rollout.targets['api-us']?.back).toEqual({ place: 3, requestsPerSecond: 8.12 });
  });

  it('is that of the plan where the plan says so, or where nothing is known of the traffic', () => {
    const asPlanned = ['api-us', 'api-eu', 'bedrock-us'];
    expect(takenBack('plan').asked).toEqual(asPlanned);
    expect(takenBack('plan').started?.order?.by).toBe('plan');
    expect(takenBack(undefined, {}).asked).toEqual(asPlanned);
    expect(takenBack(undefined, {}).started?.order).toEqual({ by: 'blast-radius', requestsPerSecond: {} });
  });

  it('begins with the targets that the plan names; the others follow by their traffic', () => {
    const { asked, started } = takenBack(['bedrock-us']);
    expect(asked).toEqual(['bedrock-us', 'api-eu', 'api-us']);
    expect(started?.order?.by).toBe('named');
  });

  it('holds for a rollout that a person aborts', () => {
    const story = aRollout().reachesStatus('watching');
    story.does({ type: 'AbortRollout', reason: 'a mistake', onCandidate: TRAFFIC });
    expect(story.rollout.targets['api-eu']?.back?.place).toBe(1);
  });

  it.each([
    [['mars'], 'target-not-found', '/spec/rollbackOrder/0', 'none of its tracks has it'],
    [['api-us', 'api-us'], 'duplicate-target', '/spec/rollbackOrder/1', 'twice'],
  ] as const)('cannot name %j', (rollbackOrder, code, field, words) => {
    const catalogue = { targets: SOME_TARGETS, signals: SOME_SIGNALS };
    const resolved = resolvePlan('careful', 1, aPlanSpec({ rollbackOrder }), catalogue);
    expect(resolved).toMatchObject({ rejection: { code, field, message: expect.stringContaining(words) } });
  });
});
