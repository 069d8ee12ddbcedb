import { describe, expect, it } from 'vitest';
import type { JsonObject, RecordedEvent } from '#libs/kernel';
import { recorded } from '#libs/testing';
import { react } from './react.js';

const event = (type: string, data: JsonObject): RecordedEvent => recorded({ type, data, position: 41 });
const revision = (baseline: boolean): RecordedEvent =>
  event('RevisionProposed', { key: 'k', revision: 1, digest: 'd', value: {}, links: [], baseline });

describe('what an event leads to', () => {
  it('rule 6: what changes one target’s ruleset is delivered there, under its own position', () => {
    expect(react(event('ExposureRequested', { target: 'api-us' }))).toEqual([
      { id: 'deliver/41', kind: 'deliver', dueAt: 0, payload: { target: 'api-us', generation: 41 } },
    ]);
    expect(react(event('TargetRegistered', { target: 'api-us', driver: 'pull' }))).toMatchObject([
      { kind: 'deliver', payload: { target: 'api-us' } },
    ]);
  });

  it('a target on a platform of others is looked after as long as it is there, by one task', () => {
    const audit = { id: 'audit/b', kind: 'audit', payload: { target: 'b' } };
    expect(react(event('TargetRegistered', { target: 'b', driver: 'webhook' }))).toMatchObject([
      { kind: 'deliver' },
      audit,
    ]);
    expect(react(event('TargetLabelled', { target: 'b', settings: { url: 'x' } }))).toMatchObject([
      { kind: 'deliver' },
      audit,
    ]);
    expect(react(event('TargetLabelled', { target: 'b', settings: {} }))).toEqual([]);
  });

  it('a drift that is to be put back is: its ruleset is delivered under the position that says so', () => {
    expect(react(event('DriftFound', { target: 'b', action: 'put-back' }))).toMatchObject([
      { kind: 'deliver', payload: { target: 'b', generation: 41 } },
    ]);
    expect(react(event('DriftFound', { target: 'b', action: 'hold' }))).toEqual([]);
  });

  it('what changes every ruleset is delivered everywhere', () => {
    expect(react(revision(true))).toMatchObject([{ kind: 'deliver', payload: { target: null, generation: 41 } }]);
    expect(react(event('ConfigRetired', { key: 'k' }))).toMatchObject([{ payload: { target: null } }]);
  });

  it('a proposed revision is delivered nowhere', () => {
    expect(react(revision(false))).toEqual([]);
  });

  it('a source is asked by one task for its whole life, and no fleet hears of it', () => {
    const source = { key: 'source/metrics', revision: 1, digest: 'd', value: {}, links: [], baseline: true };
    const task = { id: 'poll/metrics', kind: 'poll', dueAt: 0, payload: { source: 'metrics' } };
    expect(react(event('RevisionProposed', source))).toEqual([task]);
    expect(react(event('RevisionProposed', { ...source, revision: 2, baseline: false }))).toEqual([task]);
  });

  it('a rollout that starts is led by one task for its whole life', () => {
    expect(react(event('RolloutStarted', { rollout: 'ro-1' }))).toEqual([
      { id: 'conduct/ro-1', kind: 'conduct', dueAt: 0, payload: { rollout: 'ro-1' } },
    ]);
  });

  it('rule 10: the same event always leads to the same tasks, so reading it twice adds none', () => {
    const started = event('RolloutStarted', { rollout: 'ro-1' });
    expect(react(started)).toEqual(react(started));
  });

  it('what is only recorded leads to nothing', () => {
    for (const type of ['ExposureChanged', 'TargetConverged', 'StagePassed', 'RolledBack', 'RolloutSettled'])
      expect(react(event(type, { rollout: 'ro-1' }))).toEqual([]);
  });
});
