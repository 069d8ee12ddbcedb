import { describe, expect, it } from 'vitest';
import { nextUniform, seeded } from '#libs/statistics';
import { foldLook, judge, smallestDrawn, startEvidence } from './index.js';
import type { DrawsAhead, EvidenceSpec, InstanceCount, SignalSpec } from './index.js';

const RUNS = 60;
const LOOKS = 12;
const ALPHA = 0.05;

const chanceOf = (seed: number): (() => number) => {
  let source = seeded(seed);
  return () => {
    const [value, next] = nextUniform(source);
    source = next;
    return value;
  };
};

const normal = (chance: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - chance())) * Math.cos(2 * Math.PI * chance());

const poisson = (chance: () => number, mean: number): number => {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * normal(chance)));
  let [count, left] = [-1, 1];
  for (const least = Math.exp(-mean); left > least; left *= chance()) count += 1;
  return count;
};

/** A fleet of so many instances, each with a level of its own around one. */
type Fleet = { readonly of: number; readonly chosen: number; readonly apart: number };

const RATE: SignalSpec = { signal: 'errors', type: 'rate', shadow: false };
const LATENCY: SignalSpec = { signal: 'first-token', type: 'distribution', shadow: false };
const PER_LOOK = 500;
const LEVEL = 0.02;

const ahead = (signal: SignalSpec, { of, chosen, apart }: Fleet): DrawsAhead => {
  const chance = chanceOf(3);
  // Many instances, so that what was measured lately is what they are like.
  const levels = Array.from({ length: 400 }, () =>
    signal.type === 'rate' ? LEVEL * (1 + apart * normal(chance)) : Math.log(400) + apart * normal(chance),
  );
  return {
    signal,
    lately: [{ target: 'api', levels, count: signal.type === 'rate' ? 1e9 : 1, perSecond: PER_LOOK }],
    draws: [{ target: 'api', chosen, of, seconds: LOOKS }],
    targets: ['api'],
  };
};

/** What an instance serves in one look: requests and the bad ones, or values and the sum of their logarithms. */
const served = (signal: SignalSpec, level: number, ratio: number, chance: () => number): readonly [number, number] =>
  signal.type === 'rate'
    ? [PER_LOOK, poisson(chance, PER_LOOK * LEVEL * (1 + level) * ratio)]
    : [PER_LOOK, PER_LOOK * (Math.log(400) + level + Math.log(ratio))];

const foundOf = (signal: SignalSpec, { of, chosen, apart }: Fleet, ratio: number): number => {
  const spec: EvidenceSpec = {
    alpha: ALPHA,
    assignment: 'instance',
    signals: [signal],
    margins: [],
    cells: [
      {
        target: 'api',
        model: 'sonnet',
      },
    ],
  };
  let found = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const chance = chanceOf(2_000 + run);
    const fleet = Array.from({ length: of }, () => apart * normal(chance));
    const state = startEvidence(spec);
    for (let look = 1; look <= LOOKS; look += 1) {
      const instances = fleet.map((level, i): InstanceCount => {
        const isChosen = i < chosen;
        return [`i${i}`, isChosen ? 'chosen' : 'spared', ...served(signal, level, isChosen ? ratio : 1, chance)];
      });
      const place = { signal: signal.signal, target: 'api', model: 'sonnet', shareBp: 5_000 };
      foldLook(state, { look, cells: [{ ...place, candidateBad: 0, controlBad: 0, drawn: of, instances }] });
    }
    const counts = [
      { target: 'api', model: 'sonnet', candidateBad: 0, candidateRequests: 9, controlBad: 0, controlRequests: 9 },
    ];
    if (judge(state, signal.signal, { tolerate: null, targets: null, counts }).verdict === 'fail') found += 1;
  }
  return found / RUNS;
};

describe('the smallest harm that a draw of instances is predicted to show with a chance of 80%', () => {
  it.each([
    { signal: RATE, fleet: { of: 16, chosen: 8, apart: 0.1 } },
    { signal: RATE, fleet: { of: 40, chosen: 10, apart: 0.3 } },
    { signal: LATENCY, fleet: { of: 20, chosen: 10, apart: 0.05 } },
  ])('is found by the judge as often or more, and is no multiple of what would be: %o', ({ signal, fleet }) => {
    const ratio = smallestDrawn(ahead(signal, fleet), -Math.log(ALPHA * 0.9), 0.8) ?? NaN;
    expect(ratio).toBeGreaterThan(1);
    const found = foundOf(signal, fleet, ratio);
    expect(found).toBeGreaterThan(0.75);
    expect(foundOf(signal, fleet, 1 + (ratio - 1) * 0.7)).toBeLessThan(0.75);
  });

  it('is none where the lot can fall in too few ways, whatever the harm', () => {
    const few = { of: 4, chosen: 1, apart: 0.1 };
    expect(smallestDrawn(ahead(RATE, few), -Math.log(0.001), 0.8)).toBeNull();
  });

  it('is smaller the longer it is looked at and the closer instances are to each other', () => {
    const fleet = { of: 16, chosen: 8, apart: 0.3 };
    const bound = -Math.log(ALPHA * 0.9);
    const wide = smallestDrawn(ahead(RATE, fleet), bound, 0.8) ?? NaN;
    expect(smallestDrawn(ahead(RATE, { ...fleet, apart: 0.05 }), bound, 0.8)).toBeLessThan(wide);
    const longer = ahead(RATE, fleet);
    expect(
      smallestDrawn({ ...longer, draws: longer.draws.map((draw) => ({ ...draw, seconds: 1 })) }, bound, 0.8),
    ).toBeGreaterThan(wide);
  });
});
