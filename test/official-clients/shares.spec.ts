import { FlagdCore } from '@openfeature/flagd-core';
import { describe, expect, it } from 'vitest';
import { renderRuleset } from '#libs/domain';
import { OfrepEvaluator, RulesetCache } from '#libs/platforms';
import { exactLower, exactUpper, uniformAt } from '#libs/statistics';

/** A right evaluator fails one of these in a hundred million. */
const CHANCE = 1e-8;
/** Chi-square with one degree of freedom is above it with that chance. */
const CHI_SQUARE = 32.84;

type Split = { readonly config: string; readonly rollout: string; readonly shareBp: number };
type Side = (unit: string, config: string) => string | undefined;

const ruleset = (splits: readonly Split[], generation: number) =>
  renderRuleset({
    target: 'api-tpu',
    generation,
    configs: splits.map((split) => ({
      ...split,
      control: 1,
      candidate: 2,
      values: { 1: { arm: 'control' }, 2: { arm: 'candidate' } },
    })),
  });

/** The evaluator of the official provider, as a fleet runs it. */
const inProcess = (...splits: readonly Split[]): Side => {
  const core = new FlagdCore();
  core.setConfigurations(JSON.stringify(ruleset(splits, 1)));
  return (targetingKey, config) => core.resolveObjectEvaluation(config, {}, { targetingKey }).variant;
};

const byOfrep = (...splits: readonly Split[]): Side => {
  const feed = new RulesetCache();
  const held = ruleset(splits, 1);
  feed.offer({ target: 'api-tpu', generation: 1, ruleset: held, text: JSON.stringify(held), appliedAt: 0 });
  const evaluator = new OfrepEvaluator(feed);
  return (targetingKey, config) => {
    const { body = '{}' } = evaluator.evaluateOne('api-tpu', config, { context: { targetingKey } });
    return (JSON.parse(body) as { readonly variant?: string }).variant;
  };
};

/** Pseudonyms as clients make them: long, and without any order. */
const units = (seed: number, count: number): readonly string[] =>
  Array.from({ length: count }, (_, n) =>
    [0, 1, 2].map((part) => Math.floor(uniformAt(seed, n * 3 + part) * 2 ** 32).toString(36)).join(''),
  );

const one = (shareBp: number, rollout = 'rollout-a'): Split => ({ config: 'router', rollout, shareBp });
const isCandidate = (side: Side, unit: string, config = 'router'): boolean => side(unit, config) === 'r2';

describe.each([
  ['in process', inProcess],
  ['by OFREP', byOfrep],
])('The share of a split, evaluated %s', (_, evaluate) => {
  it.each([
    [1, 160_000],
    [100, 30_000],
    [1_000, 20_000],
    [5_000, 20_000],
  ])('is %d basis points of all units, within the error of sampling %d of them', (shareBp, count) => {
    const side = evaluate(one(shareBp));
    const candidates = units(shareBp, count).filter((unit) => isCandidate(side, unit)).length;
    const share = shareBp / 10_000;
    expect(exactLower(candidates, count, 1 - CHANCE / 2)).toBeLessThan(share);
    expect(exactUpper(candidates, count, 1 - CHANCE / 2)).toBeGreaterThan(share);
  });

  it('grows without moving anybody back', () => {
    const asked = units(7, 4_000);
    let before = new Set<string>();
    for (const shareBp of [1, 10, 100, 1_000, 5_000, 9_999, 10_000]) {
      const side = evaluate(one(shareBp));
      const now = new Set(asked.filter((unit) => isCandidate(side, unit)));
      expect([...before].filter((unit) => !now.has(unit))).toEqual([]);
      before = now;
    }
    expect(before.size).toBe(asked.length);
  });

  it.each([
    [5_000, 5_000],
    [1_000, 5_000],
    [1_000, 1_000],
  ])('of one rollout (%d) says nothing about that of another (%d) on the same unit', (first, second) => {
    const side = evaluate(one(first), { config: 'sampler', rollout: 'rollout-b', shareBp: second });
    const asked = units(11, 20_000);
    const table = [0, 0, 0, 0];
    for (const unit of asked) {
      const cell = (isCandidate(side, unit) ? 2 : 0) + (isCandidate(side, unit, 'sampler') ? 1 : 0);
      table[cell] = (table[cell] ?? 0) + 1;
    }
    const [neither = 0, onlySecond = 0, onlyFirst = 0, both = 0] = table;
    const cross = neither * both - onlySecond * onlyFirst;
    const margins = (neither + onlySecond) * (onlyFirst + both) * (neither + onlyFirst) * (onlySecond + both);
    expect((asked.length * cross ** 2) / margins).toBeLessThan(CHI_SQUARE);
  });

  it('of two configs with one salt is the same half, which is what the test above would find', () => {
    const side = evaluate(one(5_000), { config: 'sampler', rollout: 'rollout-a', shareBp: 5_000 });
    const asked = units(13, 1_000);
    expect(asked.filter((unit) => isCandidate(side, unit) !== isCandidate(side, unit, 'sampler'))).toEqual([]);
  });
});

describe('Evaluation in process and by OFREP', () => {
  it.each([1, 100, 1_000, 5_000])('puts each unit on the same side at %d basis points', (shareBp) => {
    const [inside, outside] = [inProcess(one(shareBp)), byOfrep(one(shareBp))];
    const asked = [...units(17, 2_000), 'ünït', '用户', '🙂', ' ', 'a'.repeat(1_000)];
    expect(asked.filter((unit) => inside(unit, 'router') !== outside(unit, 'router'))).toEqual([]);
  });
});
