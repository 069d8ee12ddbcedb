import { describe, expect, it } from 'vitest';
import type { EventView } from '#libs/contracts';
import { isOfRollout, touchedBy, touchedByProgress } from './touched.js';

const event = (type: string, stream: string, data: Readonly<Record<string, string>> = {}): EventView => ({
  position: 1,
  stream,
  version: 1,
  type,
  summary: '',
  actor: { kind: 'automation', name: 'headgate' },
  reason: null,
  occurredAt: '2025-08-29T12:00:00.000Z',
  recordedAt: '2025-08-29T12:00:00.000Z',
  causationId: null,
  correlationId: 'c',
  eventId: 'e',
  data,
});

describe('An event makes old what it touches', () => {
  it.each([
    [event('StagePassed', 'rollout-7'), ['board', 'rollout/7', 'evidence/7', 'exposed/7', 'rollouts', 'open/now']],
    [event('TargetsClaimed', 'config-sampler', { rollout: '7' }), ['board', 'rollout/7', 'config/sampler', 'configs']],
    [event('RolloutSettled', 'rollout-7'), ['config', 'configs', 'rollout/7']],
    [event('ExposureChanged', 'rollout-7'), ['targets']],
    [event('TargetLabelled', 'target-api'), ['board', 'targets']],
    [event('HookRemoved', 'hook-7'), ['hooks']],
  ])('%o', (happened, expected) => {
    expect(touchedBy(happened).map((key) => key.join('/'))).toEqual(expect.arrayContaining(expected));
  });

  it('and leaves alone what it has nothing to do with', () => {
    const keys = touchedBy(event('StagePassed', 'rollout-7')).map((key) => key.join('/'));
    expect(keys).not.toContain('targets');
    expect(keys).not.toContain('configs');
  });

  it('an assessment touches counts, and no config', () => {
    const keys = touchedByProgress(['7']).map((key) => key.join('/'));
    expect(keys).toEqual(['board', 'targets', 'rollout/7', 'evidence/7']);
  });

  it('belongs into the log of its rollout, whatever stream it is in', () => {
    expect(isOfRollout(event('StagePassed', 'rollout-7'), '7')).toBe(true);
    expect(isOfRollout(event('TargetsClaimed', 'config-sampler', { rollout: '7' }), '7')).toBe(true);
    expect(isOfRollout(event('StagePassed', 'rollout-8'), '7')).toBe(false);
  });
});
