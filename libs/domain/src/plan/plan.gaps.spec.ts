import { describe, expect, it } from 'vitest';
import { aPlanSpec, aSignal, aTrack, SOME_SIGNALS, SOME_TARGETS } from '#libs/testing';
import { planGaps, type PlanSpec } from './index.js';

const gapsOf = (change: Partial<PlanSpec>) =>
  planGaps('careful', aPlanSpec(change), { targets: SOME_TARGETS, signals: SOME_SIGNALS });

describe('what a plan names before it is registered', () => {
  it('is nothing when all of it is there', () => {
    expect(gapsOf({})).toEqual([]);
  });

  it('is each signal, by its field, with what to do', () => {
    expect(gapsOf({ signals: [aSignal('wrong-pool'), aSignal('bad-json'), aSignal('latency')] })).toEqual([
      {
        field: '/spec/signals/1/signal',
        message:
          'Plan careful names signal bad-json, which is not registered: apply its manifest before you start a rollout by this plan',
      },
      expect.objectContaining({ field: '/spec/signals/2/signal' }),
    ]);
  });

  it('is each target of a list', () => {
    expect(gapsOf({ tracks: [aTrack('api', { targets: ['api-us', 'api-moon', 'api-mars'] })] })).toMatchObject([
      { field: '/spec/tracks/0/targets/1', message: expect.stringContaining('target api-moon') },
      { field: '/spec/tracks/0/targets/2', message: expect.stringContaining('target api-mars') },
    ]);
  });

  it('is a signal that would take a rollout back, where each of them only holds or warns', () => {
    const holds = [aSignal('wrong-pool', { onFail: 'hold' }), aSignal('script-errors', { onFail: 'warn' })];
    expect(gapsOf({ signals: holds })).toEqual([
      { field: '/spec/signals', message: expect.stringContaining('takes a rollout back by itself') },
    ]);
    expect(gapsOf({ signals: [...holds, aSignal('refusals', { shadow: true })] })).toHaveLength(1);
    expect(gapsOf({ signals: [...holds, aSignal('refusals')] })).toEqual([]);
  });

  it('is a choice by labels that no target fits', () => {
    const targets = { platform: 'vertex', hardware: 'tpu' };
    expect(gapsOf({ tracks: [aTrack('api'), aTrack('vertex', { targets })] })).toMatchObject([
      { field: '/spec/tracks/1/targets', message: expect.stringContaining('platform=vertex, hardware=tpu') },
    ]);
  });
});
