import { describe, expect, it } from 'vitest';
import { OutcomeWindow } from '#libs/contracts';
import { createWindows, UNIT_SAMPLE, type Served } from './windows.js';

const served = (over: Partial<Served>): Served => ({
  model: 'sonnet',
  generation: 5,
  revisions: [1, 2],
  ruled: [false, true],
  unit: 'u1',
  request: undefined,
  bad: [],
  values: [],
  ...over,
});

describe('The outcomes of an instance', () => {
  it('are one window per model and generation, as the contract wants them', () => {
    const windows = createWindows(['router', 'sampler'], ['wrong-pool']);
    windows.add(served({}), 1_000, 1_250);
    windows.add(served({ unit: 'u2', bad: ['wrong-pool'] }), 1_250, 1_500);
    windows.add(served({ model: 'haiku' }), 1_250, 1_500);
    windows.add(served({ generation: 9 }), 1_500, 1_510);
    const taken = windows.take();
    expect(taken.map((window) => OutcomeWindow.parse(window))).toEqual(taken);
    expect(taken.map(({ model, generation, requests, ms }) => [model, generation, requests, ms])).toEqual([
      ['sonnet', 5, 2, 500],
      ['haiku', 5, 1, 250],
      ['sonnet', 9, 1, 100],
    ]);
    expect(taken.map(({ signals }) => signals)).toEqual([['wrong-pool'], ['wrong-pool'], ['wrong-pool']]);
    expect(taken[0]?.arms).toEqual([
      { config: 'router', revision: 1, requests: 2, unassigned: 0, units: [] },
      { config: 'sampler', revision: 2, requests: 2, unassigned: 0, units: ['u1', 'u2'] },
    ]);
    expect(taken[0]?.bad).toEqual([{ signal: 'wrong-pool', unit: 'u2', revisions: { router: 1, sampler: 2 } }]);
    expect(windows.take()).toEqual([]);
  });

  it('count requests without a key as unassigned, and name no unit for them', () => {
    const windows = createWindows(['router', 'sampler'], ['wrong-pool']);
    windows.add(served({ unit: undefined, bad: ['wrong-pool'] }), 0, 250);
    const [window] = windows.take();
    expect(window?.arms[1]).toMatchObject({ unassigned: 1, units: [] });
    expect(window?.bad[0]).not.toHaveProperty('unit');
  });

  it('say nothing of a config that has no revision here', () => {
    const windows = createWindows(['router', 'sampler'], ['wrong-pool']);
    windows.add(served({ revisions: [0, 2], bad: ['wrong-pool'] }), 0, 250);
    const [window] = windows.take();
    expect(window?.arms.map(({ config }) => config)).toEqual(['sampler']);
    expect(window?.bad[0]?.revisions).toEqual({ sampler: 2 });
  });

  it('name a unit once, stop at the sample, and begin again with each generation: it may be another attempt', () => {
    const windows = createWindows(['router', 'sampler'], ['wrong-pool']);
    const units = (at: number, generation: number): number => {
      for (let n = 0; n < 200; n += 1) windows.add(served({ unit: `u${n}`, generation }), at, at + 250);
      return windows.take().flatMap(({ arms }) => arms.flatMap((arm) => arm.units)).length;
    };
    expect([units(0, 7), units(1_000, 7), units(60_000, 7), units(60_000, 8)]).toEqual([
      UNIT_SAMPLE,
      0,
      0,
      UNIT_SAMPLE,
    ]);
  });

  it('never put more bad outcomes into a window than the contract takes', () => {
    const windows = createWindows(['router', 'sampler'], ['wrong-pool']);
    for (let n = 0; n < 12_000; n += 1) windows.add(served({ bad: ['wrong-pool'] }), 0, 250);
    const taken = windows.take();
    expect(taken.every((window) => OutcomeWindow.safeParse(window).success)).toBe(true);
    expect(taken.reduce((sum, { requests }) => sum + requests, 0)).toBe(12_000);
  });
});
