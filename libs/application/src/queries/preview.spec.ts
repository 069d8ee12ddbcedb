import { describe, expect, it } from 'vitest';
import { aPlan, aSignal, aStage, aTrack, SOME_SIGNALS } from '#libs/testing';
import { alphaOfStart, type RegisteredConfig } from '#libs/domain';
import type { Prepared } from '../commands/prepare-rollout.js';
import type { Traffic } from '../ports.js';
import { previewOf } from './preview.js';

const HOUR = 3_600_000;
const late = (delay: number | undefined) =>
  SOME_SIGNALS.map((each) => (each.signal === 'script-errors' ? { ...each, delay } : each));

const targets = ['api-us', 'api-eu'];
const traffic: Traffic = {
  requests: targets.map((target) => ({ target, model: 'sonnet', requestsPerSecond: 500 })),
  bad: targets.map((target) => ({ target, model: 'sonnet', signal: 'script-errors', badPerSecond: 5 })),
};

const config: RegisteredConfig = {
  status: 'registered',
  key: 'router.context',
  kind: 'quality',
  assignment: 'unit',
  schema: null,
  description: null,
  revisions: [],
  claims: {},
  settled: {},
  live: {},
  vetoes: {},
};

const preview = (delay: number | undefined, bypasses = false) => {
  const tracks = [aTrack('api', { stages: [aStage(1_000), aStage(10_000)] })];
  const signals = [aSignal('script-errors', { tolerate: 'none' })];
  const plan = aPlan({ tracks, signals, watch: 600_000 }, { signals: late(delay) });
  const prepared: Prepared = {
    config,
    revision: 2,
    plan,
    controls: { 'api-us': 1, 'api-eu': 1 },
    bypasses,
  };
  return previewOf(prepared, traffic, 600_000, []).preview;
};

describe('The preview of a plan with a signal that is known up to two hours after its requests', () => {
  it('rule 4: predicts no stage shorter than that, says which signal it waits for, and counts the watch so too', () => {
    const { stages, totalMs } = preview(2 * HOUR);
    expect(stages.map(({ predictedMs, limitedBy }) => [predictedMs, limitedBy])).toEqual([
      [2 * HOUR, 'script-errors'],
      [2 * HOUR, 'script-errors'],
    ]);
    expect(stages[0]?.signals[0]?.note).toBe('goes on when not shown harmful; known up to 2h after the request');
    expect(totalMs).toBe(6 * HOUR);
  });

  it('is that of any other plan where nothing is known late, or nothing is waited for', () => {
    expect(preview(undefined).totalMs).toBe(2 * 60_000 + 600_000);
    expect(preview(undefined).stages[0]?.limitedBy).toBe('bake');
    expect(preview(2 * HOUR, true).totalMs).toBe(preview(undefined, true).totalMs);
  });
});

describe('The preview of a revision that was taken back before', () => {
  it('says how much of alpha is left for it', () => {
    const plan = aPlan({ signals: [aSignal('script-errors', { tolerate: 'none' })], alpha: 0.01 });
    const warned = (vetoes: number): string => {
      const left = { ...plan, alpha: alphaOfStart(0.01, vetoes) };
      const vetoed = { ...config, vetoes: Object.fromEntries(vetoes === 0 ? [] : [[2, vetoes]]) };
      const prepared = {
        config: vetoed,
        revision: 2,
        plan: left,
        controls: { 'api-us': 1, 'api-eu': 1 },
        bypasses: false,
      };
      return previewOf(prepared, traffic, 600_000, []).preview.warnings.join();
    };
    expect(warned(0)).not.toContain('alpha');
    expect(warned(1)).toContain(
      "taken back once before, so this start has only what its first one left of the plan's alpha: 0.025% instead of 0.95%",
    );
    expect(warned(2)).toContain('taken back 2 times before');
  });
});

describe('The preview of a config that is assigned by instance', () => {
  const previewed = (tracks: ReturnType<typeof aTrack>[], counts: Readonly<Record<string, number>>) => {
    const plan = aPlan({ tracks, signals: [aSignal('script-errors', { tolerate: 'none' })], acceptBlind: 'so few' });
    const live = Object.fromEntries(
      targets.map((target) => [target, Array.from({ length: counts[target] ?? 0 }, (_, at) => `${target}-${at}`)]),
    );
    const controls = { 'api-us': 1, 'api-eu': 1 };
    const prepared: Prepared = {
      config: { ...config, assignment: 'instance' },
      revision: 2,
      plan,
      controls,
      bypasses: false,
    };
    return previewOf(prepared, traffic, 600_000, [], live).preview;
  };
  const byInstance = (...given: Parameters<typeof previewed>): readonly string[] => previewed(...given).warnings;
  const stagesOf = (...given: Parameters<typeof previewed>) => previewed(...given).stages;
  const warned = (count: number, ...exposures: readonly number[]): readonly string[] =>
    byInstance([aTrack('api', { stages: exposures.map((exposure) => aStage(exposure)) })], {
      'api-us': count,
      'api-eu': count,
    });

  it('warns where the first stage exposes more than twice its share', () => {
    expect(warned(2, 100, 10_000).join()).toMatch(/asks for 1% and comes to 1 of 2 on api-us, 1 of 2 on api-eu/);
    expect(warned(100, 100, 10_000).join()).not.toContain('asks for');
  });

  it('says that a start is refused where one instance is all there is, and that a later track will wait', () => {
    expect(warned(1, 1_000, 10_000).join()).toMatch(
      /Nothing can be drawn: api-us has one live instance.*connect at least two\. A start is refused\./,
    );
    expect(warned(2, 1_000, 10_000).join()).not.toContain('refused');
    const tracks = [aTrack('us', { targets: ['api-us'] }), aTrack('eu', { targets: ['api-eu'], after: 'us' })];
    const late = byInstance(tracks, { 'api-us': 4, 'api-eu': 1 }).join();
    expect(late).toContain('Track eu will wait when its turn comes: api-eu has one live instance');
    expect(late).not.toContain('A start is refused');
    expect(stagesOf(tracks, { 'api-us': 4, 'api-eu': 1 }).at(-1)).toMatchObject({
      predictedMs: null,
      limitedBy: 'too few instances',
    });
  });

  it('warns of a stage that draws nobody beyond the one before it', () => {
    expect(warned(10, 1_000, 1_400, 10_000).filter((each) => each.includes('same instances'))).toHaveLength(1);
    expect(warned(20, 1_000, 1_400, 10_000).join()).not.toContain('same instances');
  });
});
