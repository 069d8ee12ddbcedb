import { describe, expect, it } from 'vitest';
import { baseRate, checkFault, parseScenario, ScenarioError } from './index.js';

const YAML = `
seed: 1
configs: [{ name: sampler }]
signals:
  - name: syntax-errors
    rate: 2%
    overrides: [{ where: { labels: { hardware: tpu }, models: [haiku] }, rate: 3% }]
  - { name: wrong-pool, rate: 0% }
platforms:
  api:
    targets:
      api-us-tpu: { labels: { hardware: tpu }, models: { sonnet: 3, haiku: 1 }, instances: 2, requestsPerSecond: 10, units: 50 }
faults:
  - { name: slow, config: sampler, revision: 2, where: { labels: { platform: api } }, signal: syntax-errors, ratio: 3, from: 5s }
`;
const message = (yaml: string): string => {
  try {
    parseScenario(yaml, 'demo.yaml');
    return 'no error';
  } catch (error) {
    return error instanceof ScenarioError ? error.message : 'another error';
  }
};

describe('A scenario file', () => {
  it('is read with its defaults: windows of one second, every unit in reach of a fault, no sticky sessions', () => {
    const scenario = parseScenario(YAML);
    expect(scenario).toMatchObject({ window: 1_000, heartbeat: 3_000, keyless: 0 });
    expect(scenario.faults[0]).toMatchObject({ from: 5_000, units: 1 });
    expect(scenario.faults[0]?.sticky).toBeUndefined();
    expect(scenario.targets[0]?.labels).toEqual({ hardware: 'tpu', platform: 'api', target: 'api-us-tpu' });
  });

  it('has a base rate of its own for a model on a hardware', () => {
    const { signals, targets } = parseScenario(YAML);
    expect(
      signals
        .slice(0, 1)
        .flatMap((signal) =>
          targets.map((target) => [baseRate(signal, target, 'haiku'), baseRate(signal, target, 'sonnet')]),
        ),
    ).toEqual([[0.03, 0.02]]);
  });

  it.each([
    ['a rate above everything', 'rate: 2%', 'rate: 200%', 'signals[0].rate: write a share such as 2.5%'],
    ['an unknown field', 'instances: 2', 'instance: 2', 'platforms.api.targets.api-us-tpu'],
    ['no instances', 'instances: 2', 'instances: 0', 'platforms.api.targets.api-us-tpu.instances'],
    [
      'a fault of a config that no request evaluates',
      'config: sampler',
      'config: router',
      'faults[0].config: router is not under configs',
    ],
    [
      'a fault on an unknown signal',
      'signal: syntax-errors',
      'signal: typos',
      'faults[0].signal: typos is neither under signals',
    ],
    [
      'a fault where no target is',
      'platform: api }',
      'platform: vertex }',
      'faults[0].where.labels: no target has all of',
    ],
    [
      'a ratio of what never happens',
      'signal: syntax-errors',
      'signal: wrong-pool',
      'faults[0].ratio: wrong-pool is never bad',
    ],
    ['both a rate and a ratio', 'ratio: 3', 'ratio: 3, rate: 1%', 'faults[0].rate: give exactly one of rate and ratio'],
    ['a delay without a unit', 'from: 5s', 'from: 5', 'faults[0].from'],
    ['fewer units than instances', 'units: 50', 'units: 1', 'units cannot fill 2 instances'],
    ['a model that nobody serves', 'models: [haiku]', 'models: [opus]', 'signals[0].overrides[0].where.models'],
  ])('with %s is refused, and the field is named', (_, from, to, said) => {
    expect(message(YAML.replace(from, to))).toContain(said);
  });

  it('that is not YAML is refused with the place', () => {
    expect(message('seed: [1')).toMatch(/demo.yaml is not YAML: .*line 1/s);
  });

  it('lets a fault be added later only when it fits', () => {
    const scenario = parseScenario(YAML);
    expect(
      checkFault({ name: 'x', config: 'sampler', revision: 2, signal: 'wrong-pool', rate: '5%' }, scenario).rate,
    ).toBe(0.05);
    expect(() => checkFault({ name: 'x', config: 'sampler', revision: 2, signal: 'gone', rate: 1 }, scenario)).toThrow(
      'fault.signal',
    );
  });
});
