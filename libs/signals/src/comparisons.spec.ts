import { ComparisonBatch } from '#libs/contracts';
import type { z } from 'zod';
import { describe, expect, it } from 'vitest';
import { assessComparisons, type ComparisonLookup, type Trial } from './comparisons.js';
import { NOON, ToldExposures } from './spec-kit.js';

const told = new ToldExposures();
const targets = new Set(['api-tpu', 'bedrock-east']);
const running: Trial = { rollout: 'ro-1', startedAt: NOON - 3_600_000, targets };

const lookupOf = (...trials: readonly Trial[]): ComparisonLookup => ({
  knowsTarget: (target) => told.knowsTarget(target),
  knowsSignal: (signal) => told.knowsSignal(signal),
  knowsRevision: (config, revision) => told.knowsRevision(config, revision),
  trials: (config, revision) => (config === 'router' && revision === 2 ? trials : []),
});

type Input = z.input<typeof ComparisonBatch>['comparisons'][number];
const item = (change: Partial<Input> = {}): Input => ({
  signal: 'agreement',
  config: 'router',
  revision: 2,
  left: 'api-tpu',
  right: 'bedrock-east',
  at: '2025-09-01T11:59:00Z',
  pairs: 100,
  leftOnly: 3,
  rightOnly: 1,
  ...change,
});
const assess = (items: readonly Input[], lookup = lookupOf(running)) =>
  assessComparisons(
    ComparisonBatch.parse({ batch: '0198f0c4-0000-7000-8000-000000000001', comparisons: items }),
    NOON,
    lookup,
  );

describe('a comparison of two targets', () => {
  it('counts for the rollout that brings the revision to both', () => {
    const at = NOON - 60_000;
    expect(assess([item()])).toEqual({
      accepted: 1,
      rejected: [],
      facts: [
        {
          rollout: 'ro-1',
          signal: 'agreement',
          left: 'api-tpu',
          right: 'bedrock-east',
          pairs: 100,
          leftOnly: 3,
          rightOnly: 1,
          firstAt: at,
          lastAt: at,
        },
      ],
    });
  });

  it('is the same whichever target is named first, and several are summed', () => {
    const turned = item({ left: 'bedrock-east', right: 'api-tpu', pairs: 50, leftOnly: 2, rightOnly: 5 });
    expect(assess([item(), turned]).facts).toMatchObject([
      { left: 'api-tpu', right: 'bedrock-east', pairs: 150, leftOnly: 8, rightOnly: 3 },
    ]);
  });

  it('counts for every rollout that it is evidence for', () => {
    const other = { ...running, rollout: 'ro-2' };
    expect(assess([item()], lookupOf(running, other)).facts.map(({ rollout }) => rollout)).toEqual(['ro-1', 'ro-2']);
  });

  it.each<[string, Partial<Input>, string, string]>([
    ['an unknown signal', { signal: 'nonsense' }, 'signal', 'unknown-signal'],
    ['a signal of another type', { signal: 'refusal' }, 'signal', 'wrong-kind-of-signal'],
    ['an unknown config', { config: 'nonsense' }, 'config', 'unknown-config'],
    ['an unknown revision', { revision: 9 }, 'revision', 'unknown-revision'],
    ['an unknown target on the left', { left: 'mars' }, 'left', 'unknown-target'],
    ['an unknown target on the right', { right: 'mars' }, 'right', 'unknown-target'],
    ['one target twice', { right: 'api-tpu' }, 'right', 'same-target-twice'],
    ['more that differ than pairs', { pairs: 3 }, 'pairs', 'more-than-pairs'],
    ['a time that is yet to come', { at: '2025-09-01T12:01:01Z' }, 'at', 'comparison-in-future'],
    ['a revision that no rollout brings', { revision: 3 }, 'revision', 'not-on-trial'],
    ['a target that the rollout does not reach', { right: 'api-gpu' }, 'revision', 'not-on-trial'],
    ['a time before the rollout started', { at: '2025-09-01T10:00:00Z' }, 'revision', 'not-on-trial'],
  ])('is refused with %s, and the others of its batch are kept', (_, change, field, code) => {
    const { facts, accepted, rejected } = assess([item(), item(change)]);
    expect(rejected).toMatchObject([{ pointer: `/comparisons/1/${field}`, code }]);
    expect([accepted, facts[0]?.pairs]).toEqual([1, 100]);
  });

  it('may be stamped a little ahead, and then counts as of now', () => {
    expect(assess([item({ at: '2025-09-01T12:00:30Z' })]).facts).toMatchObject([{ lastAt: NOON }]);
  });
});
