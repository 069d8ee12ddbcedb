import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.js';
import { parseScenario } from '../scenario/index.js';
import { createMeasuring } from './measuring.js';

const scenario = parseScenario(`
seed: 1
configs: [{ name: router }]
signals: [{ name: errors, rate: 0 }]
values:
  - { name: first-token, typical: 400, spread: 0.5 }
  - { name: score, typical: 0.8, spread: 0.3, shape: normal, range: [0, 1], share: 25% }
platforms: { api: { targets: { api-tpu: { models: { haiku: 1 }, instances: 1, requestsPerSecond: 1, units: 10 } } } }
`);

const drawn = (factors: readonly number[]) => {
  const measure = createMeasuring(scenario, createRandom(7));
  return Array.from({ length: 4_000 }, () => measure(factors)).flat();
};
const valuesOf = (index: number, factors: readonly number[] = []) =>
  drawn(factors).flatMap((one) => (one.index === index ? [one.value] : []));
const medianOf = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

describe('what is measured of a request', () => {
  it('is around what is typical, of all requests or of a share of them', () => {
    expect(medianOf(valuesOf(0)) / 400).toBeCloseTo(1, 1);
    expect(valuesOf(1).length / 4_000).toBeCloseTo(0.25, 1);
  });

  it('is multiplied by what a fault says, and stays in its range', () => {
    expect(medianOf(valuesOf(0, [1.5])) / 600).toBeCloseTo(1, 1);
    expect(Math.max(...valuesOf(1, [1, 3]))).toBe(1);
  });
});
