import { FlagdCore, MemoryStorage } from '@openfeature/flagd-core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '#libs/kernel';
import {
  isOnCandidate,
  renderRuleset,
  revisionOf,
  rulesetDifferences,
  servesAlike,
  variantOf,
  type RulesetConfig,
} from './ruleset.js';

const silent = { error: () => {}, warn: () => {}, info: () => {}, debug: () => {} };
const values: Record<number, JsonObject> = { 1: { pool: 'short' }, 2: { pool: 'long' }, 3: { pool: 'huge' } };

const config = (over: Partial<RulesetConfig> = {}): RulesetConfig => ({
  config: 'router.context',
  control: 1,
  candidate: 2,
  shareBp: 1_000,
  rollout: 'rollout-1',
  values,
  ...over,
});

const load = (...configs: readonly RulesetConfig[]): FlagdCore => {
  const core = new FlagdCore(undefined, silent);
  core.setConfigurations(JSON.stringify(renderRuleset({ target: 'api-tpu', generation: 41, configs })));
  return core;
};

const variant = (core: FlagdCore, targetingKey: string | undefined, key = 'router.context'): string | undefined =>
  core.getFlag(key)?.evaluate(targetingKey === undefined ? {} : { targetingKey }).variant;

const keys = (count: number, seed: string): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${seed}-${index.toString(36)}`);

const onCandidate = (core: FlagdCore, units: readonly string[]): ReadonlySet<string> =>
  new Set(units.filter((unit) => variant(core, unit) === 'r2'));

describe('the coin of a unit', () => {
  it('is the one that the official evaluator throws, for any key of ASCII and any share', () => {
    const key = fc.string({ minLength: 1, unit: 'binary-ascii' });
    fc.assert(
      fc.property(key, fc.integer({ min: 1, max: 9_999 }), fc.uuid(), (unit, shareBp, rollout) => {
        const core = load(config({ shareBp, rollout }));
        expect(isOnCandidate(rollout, unit, shareBp)).toBe(variant(core, unit) === 'r2');
      }),
    );
  });
});

describe('the ruleset of a target', () => {
  it('is exactly the flag definition that the design fixes', () => {
    expect(renderRuleset({ target: 'api-tpu', generation: 41, configs: [config()] })).toEqual({
      flags: {
        'router.context': {
          state: 'ENABLED',
          variants: { r1: { pool: 'short' }, r2: { pool: 'long' } },
          defaultVariant: 'r1',
          targeting: {
            if: [
              { var: 'targetingKey' },
              {
                fractional: [{ cat: ['rollout-1', ':', { var: 'targetingKey' }] }, ['r2', 1_000], ['r1', 9_000]],
              },
              null,
            ],
          },
          metadata: { flagSetId: 'api-tpu', version: '41' },
        },
      },
      metadata: { flagSetId: 'api-tpu', scope: 'api-tpu', version: '41' },
    });
  });

  it('gives the candidate to the instances that were drawn, by their names, and to nobody else', () => {
    const core = load(config({ instances: { candidate: ['tpu-02', 'tpu-07'] } }));
    const asked = ['tpu-01', 'tpu-02', 'tpu-07', 'tpu-0', 'tpu-02,tpu-07', '', undefined];
    expect(asked.map((key) => variant(core, key))).toEqual(['r1', 'r2', 'r2', 'r1', 'r1', 'r1', 'r1']);
  });

  it.each([
    ['nothing is rolled out', { candidate: null, shareBp: 0, rollout: null }, 'r1'],
    ['the candidate was taken back to no share', { shareBp: 0 }, 'r1'],
    ['the candidate has everything', { shareBp: 10_000 }, 'r2'],
    ['the candidate is the control', { candidate: 1 }, 'r1'],
  ])('has no rule and carries one revision only when %s', (_, over, served) => {
    const flag = renderRuleset({ target: 't', generation: 1, configs: [config(over)] }).flags['router.context'];
    expect(flag).not.toHaveProperty('targeting');
    expect(flag?.defaultVariant).toBe(served);
    expect(Object.keys(flag?.variants ?? {})).toEqual([served]);
  });

  it('passes the strict flag definition schema of the official evaluator at every share', () => {
    for (const shareBp of [0, 1, 100, 5_000, 9_999, 10_000]) {
      const text = JSON.stringify(renderRuleset({ target: 't', generation: 1, configs: [config({ shareBp })] }));
      expect(new MemoryStorage(silent).setConfigurations(text, true)).toEqual(['router.context']);
    }
  });

  it('has the same bytes whatever the order of configs and keys', () => {
    const names = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(names, fc.dictionary(fc.string(), fc.jsonValue()), (configs, value) => {
        const shuffled = Object.fromEntries(Object.entries(value).reverse()) as JsonObject;
        const render = (list: readonly string[], content: JsonObject) =>
          JSON.stringify(
            renderRuleset({
              target: 't',
              generation: 1,
              configs: list.map((name) => config({ config: name, values: { 1: content, 2: content } })),
            }),
          );
        expect(render([...configs].reverse(), shuffled)).toBe(render(configs, value as JsonObject));
      }),
    );
  });

  it.each([
    ['a share above everything', { shareBp: 10_001 }, 'from 0 to 10000'],
    ['half a basis point', { shareBp: 0.5 }, 'whole basis points'],
    ['a split without a rollout', { rollout: null }, 'name the rollout'],
    ['a revision without its value', { candidate: 9 }, 'Revision 9'],
  ])('refuses %s', (_, over, message) => {
    expect(() => renderRuleset({ target: 't', generation: 1, configs: [config(over)] })).toThrow(message);
  });

  it('refuses a config that is given twice', () => {
    expect(() => renderRuleset({ target: 't', generation: 1, configs: [config(), config()] })).toThrow('given twice');
  });

  it('names variants after revisions, and back', () => {
    expect(revisionOf(variantOf(17))).toBe(17);
    expect([revisionOf('r0'), revisionOf('17'), revisionOf('r1x')]).toEqual([undefined, undefined, undefined]);
  });
});

describe('the split, as the official evaluator computes it', () => {
  const units = keys(200_000, 'unit');

  it.each([1, 100, 1_000, 5_000])('gives the candidate %i basis points of the units, within 4 sigma', (shareBp) => {
    const share = shareBp / 10_000;
    const found = onCandidate(load(config({ shareBp })), units).size;
    const sigma = Math.sqrt(units.length * share * (1 - share));
    expect(Math.abs(found - units.length * share)).toBeLessThan(4 * sigma);
  });

  it('moves nobody back to the control while the share grows', () => {
    const sample = units.slice(0, 30_000);
    let before: ReadonlySet<string> = new Set();
    for (const shareBp of [1, 100, 1_000, 5_000, 9_900, 10_000]) {
      const after = onCandidate(load(config({ shareBp })), sample);
      expect([...before].filter((unit) => !after.has(unit))).toEqual([]);
      before = after;
    }
    expect(before.size).toBe(sample.length);
  });

  it('keeps every unit where it is when the generation changes and the share does not', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 9_999 }), (unit, shareBp) => {
        const at = (generation: number) => {
          const core = new FlagdCore(undefined, silent);
          const configs = [config({ shareBp })];
          core.setConfigurations(JSON.stringify(renderRuleset({ target: 't', generation, configs })));
          return variant(core, unit);
        };
        expect(at(1)).toBe(at(2));
      }),
    );
  });

  it('draws independent halves for rollouts with different salts', () => {
    const sample = units.slice(0, 40_000);
    const one = onCandidate(load(config({ shareBp: 5_000, rollout: 'a' })), sample);
    const other = onCandidate(load(config({ shareBp: 5_000, rollout: 'b' })), sample);
    const both = [...one].filter((unit) => other.has(unit)).length;
    const sigma = Math.sqrt(sample.length * 0.25 * 0.75);
    expect(Math.abs(both - sample.length / 4)).toBeLessThan(4 * sigma);
  });

  it('draws the same half for every config of one rollout id, so that the salt alone decides', () => {
    const core = load(config({ config: 'a', rollout: 'same' }), config({ config: 'b', rollout: 'same' }));
    expect(units.slice(0, 5_000).filter((unit) => variant(core, unit, 'a') !== variant(core, unit, 'b'))).toEqual([]);
  });

  it.each([1, 5_000, 9_999])('leaves requests without a targeting key on the control at %i basis points', (shareBp) => {
    const core = load(config({ shareBp }));
    expect([variant(core, undefined), variant(core, '')]).toEqual(['r1', 'r1']);
  });

  it('tells target and generation with every evaluation, even of a config that is not there', () => {
    for (const key of ['router.context', 'nothing.here']) {
      const details = load(config()).resolveObjectEvaluation(key, {}, { targetingKey: 'unit-1' }, silent);
      expect(details.flagMetadata).toEqual({ flagSetId: 'api-tpu', scope: 'api-tpu', version: '41' });
    }
  });
});

describe('a ruleset that is read back', () => {
  const rendered = (generation: number, ...configs: readonly RulesetConfig[]): JsonObject =>
    renderRuleset({ target: 'api-tpu', generation, configs });
  const control = config({ candidate: null, shareBp: 0, rollout: null });
  const other = config({ config: 'sampler', candidate: null, shareBp: 0, rollout: null });

  it('rule 5: serves the control alone or does not, whatever generation it says and whatever else is in it', () => {
    const asked = rendered(0, control);
    expect(servesAlike('router.context', asked, rendered(99, control, other))).toBe(true);
    expect(servesAlike('router.context', asked, rendered(99, config(), other))).toBe(false);
    expect(servesAlike('router.context', asked, rendered(99, config({ shareBp: 10_000 })))).toBe(false);
    expect(servesAlike('router.context', asked, rendered(99, other))).toBe(false);
    expect(servesAlike('router.context', asked, { flags: 'none' })).toBe(false);
  });

  it('serves no control whose value was changed', () => {
    const changed = rendered(
      99,
      config({ candidate: null, shareBp: 0, rollout: null, values: { 1: { pool: 'mine' } } }),
    );
    expect(servesAlike('router.context', rendered(0, control), changed)).toBe(false);
  });

  it('is told apart from what was asked config by config', () => {
    expect(rulesetDifferences(rendered(41, control, other), rendered(40, other, control))).toEqual([]);
    expect(rulesetDifferences(rendered(41, control, other), { flags: { mine: {} } })).toEqual([
      "config mine is not Headgate's",
      'config router.context is missing',
      'config sampler is missing',
    ]);
    expect(rulesetDifferences(rendered(41, control), rendered(41, config()))).toEqual([
      'config router.context is another',
    ]);
  });
});
