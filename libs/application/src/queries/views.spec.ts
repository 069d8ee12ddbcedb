import { describe, expect, it } from 'vitest';
import { aRollout } from '#libs/testing';
import type { Progress } from '../ports.js';
import { progressOf } from '../workers/conduct.js';
import { rolloutView } from './views.js';

const story = aRollout().arrives({ stages: { api: { bakedMs: 40_000 } } });
const facts = (bakedMs: number) => story.facts({ stages: { api: { bakedMs } } });

const bakedOf = (progress: Progress | undefined, rollout = story.rollout) =>
  rolloutView({ rollout, version: 1, position: 1, startedBy: 'alice', reason: 'why not' }, progress)
    .tracks[0]?.stages.slice(0, 2)
    .map(({ bakedMs }) => bakedMs);

describe('the bake of a stage', () => {
  it('is that of its newest assessment', () => {
    expect(bakedOf(progressOf(story.rollout, 1, facts(40_000), story.now))).toEqual([40_000, null]);
  });

  it('is nothing in a stage that was only just entered, however long the one before had baked', () => {
    const before = progressOf(story.rollout, 1, facts(40_000), story.now);
    const next = aRollout().reaches('api', '10%');
    expect(bakedOf(before, next.rollout)?.[1]).toBe(0);
    expect(bakedOf(undefined, next.rollout)?.[1]).toBe(0);
  });

  it('is shown as it was where an older controller did not note of which stage it was', () => {
    const { bakedIn: _, ...old } = progressOf(story.rollout, 1, facts(40_000), story.now);
    expect(bakedOf(old)).toEqual([40_000, null]);
  });
});

describe('instances that have stopped talking', () => {
  const silentOf = (progress: Progress, rollout = story.rollout) =>
    rolloutView({ rollout, version: 1, position: 1, startedBy: 'alice', reason: 'why not' }, progress).targets.map(
      ({ target, silent }) => [target, silent],
    );

  it('are named with the target that they belong to, as the newest assessment found them', () => {
    const missing = story.facts({ targets: { 'api-us': { silent: ['pod-3', 'pod-7'] } } });
    const names = silentOf(progressOf(story.rollout, 1, missing, story.now));
    expect(Object.fromEntries(names)).toEqual({
      'api-us': ['pod-3', 'pod-7'],
      'api-eu': [],
      'bedrock-us': [],
    });
    const later = silentOf(progressOf(story.rollout, 1, story.facts(), story.now));
    expect(later.every(([, silent]) => silent?.length === 0)).toBe(true);
  });
});
