import { describe, expect, it } from 'vitest';
import { Chance } from './chance.js';
import { constant, valueAt } from './curve.js';
import { TargetDelivery } from './delivery.js';
import type { ScenarioFault } from './scenario.js';
import { StickyRuns } from './sources.js';
import { RolloutTally } from './tally.js';
import { Reach } from './units.js';
import { ViolationLedger } from './violations.js';

describe('chance in a simulation', () => {
  it.each([0.3, 7, 45, 800, 5_000])('draws Poisson counts with the mean and the variance of %d', (mean) => {
    const chance = new Chance(42);
    const draws = Array.from({ length: 4_000 }, () => chance.poisson(mean));
    const average = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    const variance = draws.reduce((sum, draw) => sum + (draw - average) ** 2, 0) / draws.length;
    expect(Math.abs(average - mean)).toBeLessThan(5 * Math.sqrt(mean / draws.length));
    expect(variance / mean).toBeGreaterThan(0.85);
    expect(variance / mean).toBeLessThan(1.15);
  });

  it('is the same again for the same seed, and different for another', () => {
    const draw = (seed: number) =>
      Array.from({ length: 20 }, () => new Chance(seed).uniform() + new Chance(seed).below(10));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});

describe('a rate over time', () => {
  const points = [
    { at: 10, value: 1 },
    { at: 20, value: 3 },
  ];
  it('is nothing before its first point and keeps its last value', () => {
    expect([0, 10, 99].map((at) => valueAt({ shape: 'linear', points }, at))).toEqual([0, 1, 3]);
    expect(valueAt(constant(0.2), -5)).toBe(0.2);
  });
  it('climbs in a straight line or in steps', () => {
    expect(valueAt({ shape: 'linear', points }, 15)).toBe(2);
    expect(valueAt({ shape: 'step', points }, 19)).toBe(1);
  });
});

describe('delivery to a target', () => {
  const delivery = () => new TargetDelivery({ instances: 10, applyMs: 1_000, convergeMs: 10_000 });

  it('reaches one instance after the other, and only then all have acknowledged', () => {
    const target = delivery();
    target.ask(7, 5_000, 0);
    expect(target.shareAt(500)).toBe(0);
    expect(target.takeApplied(500)).toBeUndefined();
    expect(target.takeApplied(1_000)).toBe(7);
    expect(target.takeApplied(1_001)).toBeUndefined();
    expect(target.shareAt(6_000)).toBeCloseTo(0.25);
    expect(target.acknowledged(6_000)).toEqual({ instances: 10, acknowledged: 5, generation: 0 });
    expect(target.acknowledged(11_000)).toEqual({ instances: 10, acknowledged: 10, generation: 7 });
  });

  it('mixes three shares when it is asked back before everyone has arrived', () => {
    const target = delivery();
    target.ask(1, 10_000, 0);
    target.ask(2, 0, 6_000);
    expect(target.shareAt(7_000)).toBeCloseTo(0.5);
    expect(target.shareAt(12_000)).toBeCloseTo(0.25);
    expect(target.shareAt(17_000)).toBe(0);
  });
});

describe('faults that stick to a unit', () => {
  const fault = { sticky: { requests: 10, overMs: 3_600_000 } } as ScenarioFault;

  it('make as many bad requests in the long run, from a tenth of the units', () => {
    const [runs, chance] = [new StickyRuns(fault), new Chance(3)];
    let [first, more] = [0, 0];
    for (let minute = 1; minute <= 2_000; minute += 1) {
      const drawn = runs.draw(20, minute * 60_000, 60_000, chance);
      first += drawn.first;
      more += drawn.more;
    }
    expect(first / 4_000).toBeCloseTo(1, 1);
    expect((first + more) / 40_000).toBeCloseTo(1, 1);
  });

  it('end at once when nobody runs the change any more', () => {
    const [runs, chance] = [new StickyRuns(fault), new Chance(3)];
    runs.draw(1_000, 60_000, 60_000, chance);
    expect(runs.draw(0, 120_000, 60_000, chance)).toEqual({ first: 0, more: 0 });
  });
});

describe('counting for one rollout', () => {
  const target = {
    target: 'api',
    population: 'people',
    platform: 'api',
    labels: {},
    instances: 1,
    traffic: [],
    swing: 0,
  };
  const slice = {
    target: { ...target, peakHour: 0, applyMs: 0, convergeMs: 0, source: null, assumption: 'for a test' },
    model: 'm',
    perSecond: 1,
  };
  const signal = { signal: 'bad', brokenUnits: null };
  const mix = [{ shareBp: 2_500, weight: 1 }];

  it('takes the first bad outcome of a unit only, on the arm that the share gives it', () => {
    const tally = new RolloutTally('unit');
    const draw = { bad: 5_000, onCandidate: false, units: 400, chance: new Chance(5) };
    tally.addBad(slice, signal, mix, draw);
    const [cell] = tally.takeLook().cells;
    expect((cell?.candidateBad ?? 0) + (cell?.controlBad ?? 0)).toBe(400);
    expect(cell?.candidateBad).toBe(100);
    tally.addBad(slice, signal, mix, draw);
    expect(tally.takeLook().cells).toEqual([]);
  });

  it('hits candidate units only where the fault needs the candidate', () => {
    const tally = new RolloutTally('unit');
    const placed = tally.addBad(slice, signal, mix, { bad: 50, onCandidate: true, units: 400, chance: new Chance(5) });
    expect(placed.candidates).toBe(50);
    expect(Math.max(...placed.units)).toBeLessThan(100);
  });

  it('says nothing of an arm while the share is zero', () => {
    const tally = new RolloutTally('request');
    tally.addBadRequests(slice, 'bad', [{ shareBp: 0, weight: 1 }], 500, new Chance(5));
    expect(tally.takeLook().cells).toEqual([]);
  });
});

it('reach grows towards everyone who can be reached and never beyond', () => {
  const reach = new Reach();
  for (let i = 0; i < 50; i += 1) reach.add(100, 1_000);
  expect(reach.size).toBeGreaterThan(990);
  expect(reach.size).toBeLessThanOrEqual(1_000);
});

describe('violations of an invariant', () => {
  const mine = { id: 'rollout', config: 'router', revision: 2 };
  const seenBy = (ledger: ViolationLedger) => ledger.seenBy(mine, 's', ['t'], 15);

  it('outside the look-back do not count, but for those on the candidate', () => {
    const ledger = new ViolationLedger();
    for (const [at, count] of [
      [10, 2],
      [20, 3],
    ] as const)
      ledger.add('s', 't', { cause: {}, by: null, at, count });
    ledger.add('s', 't', { cause: {}, by: 'rollout', at: 20, count: 1 });
    expect(seenBy(ledger)).toEqual({
      candidate: [{ target: 't', revisions: { router: 2 }, violations: 1 }],
      elsewhere: [{ target: 't', revisions: {}, violations: 2 }],
    });
  });

  it('are kept apart by the changes that cause them, and what its own candidate causes is nowhere else', () => {
    const ledger = new ViolationLedger();
    ledger.add('s', 't', { cause: { sampler: 4 }, by: null, at: 20, count: 5 });
    ledger.add('s', 't', { cause: { sampler: 4 }, by: 'rollout', at: 20, count: 1 });
    ledger.add('s', 't', { cause: { router: 2 }, by: null, at: 20, count: 9 });
    expect(seenBy(ledger)).toEqual({
      candidate: [{ target: 't', revisions: { sampler: 4, router: 2 }, violations: 1 }],
      elsewhere: [{ target: 't', revisions: { sampler: 4 }, violations: 4 }],
    });
  });
});
