import { describe, expect, it } from 'vitest';
import { checkScenario } from '../scenario/index.js';
import type { FaultInput } from '../scenario/index.js';
import { emptyTruth, snapshotTruth } from './ground-truth.js';
import { createServing, instanceRandom } from './serving.js';
import { createUnits } from './units.js';

const fleet = (faults: readonly FaultInput[], signals: readonly object[] = [{ name: 'bad', rate: '0%' }]) => {
  const scenario = checkScenario({
    seed: 3,
    configs: [{ name: 'router' }, { name: 'sampler' }],
    signals,
    platforms: {
      api: { targets: { api: { models: { sonnet: 1, haiku: 1 }, instances: 1, requestsPerSecond: 1, units: 10_000 } } },
    },
    faults,
  });
  const [target] = scenario.targets;
  if (!target) throw new Error('the scenario has no target');
  const truth = emptyTruth();
  const units = createUnits(Buffer.alloc(32), 'api', 10_000, 0, 1);
  const serving = createServing({ scenario, target, units, truth, random: instanceRandom(scenario, 'api-01') });
  const snapshot = () => snapshotTruth(new Map([['api', truth]]));
  return { ...serving, truth: snapshot, fault: () => snapshot().faults['f']?.['api'] };
};
const fault = (over: Partial<FaultInput>): FaultInput => ({
  name: 'f',
  config: 'router',
  revision: 2,
  signal: 'bad',
  rate: 1,
  ...over,
});
const SONNET = 0;
const HAIKU = 1;
const each = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('What a fleet does with a request', () => {
  it('goes wrong only for those who are really served by the faulty revision, and only on the models in reach', () => {
    const { serve, fault: truth } = fleet([fault({ where: { models: ['sonnet'] } })]);
    expect(serve(1, SONNET, [2, 1], 0).bad).toEqual(['bad']);
    expect(serve(1, HAIKU, [2, 1], 0).bad).toEqual([]);
    expect(serve(1, SONNET, [1, 2], 0).bad).toEqual([]);
    expect(truth()).toMatchObject({ exposed: 1, badOnCandidate: 1, badAfterRollback: 0, units: 1 });
  });

  it('hits the share of users that the fault says, the same ones again and again', () => {
    const { serve } = fleet([fault({ units: '16%' })]);
    const hit = (): number[] => each(10_000).filter((unit) => serve(unit, SONNET, [2, 1], 0).bad.length > 0);
    const first = hit();
    expect(first.length / 10_000).toBeGreaterThan(0.148);
    expect(first.length / 10_000).toBeLessThan(0.172);
    expect(hit()).toEqual(first);
  });

  it('keeps a session on the faulty revision until its ruleset says that sessions are not to stick', () => {
    const { serve, fault: truth } = fleet([fault({ sticky: { for: '1h' } })]);
    serve(1, SONNET, [2, 1], 0);
    expect(serve(1, SONNET, [1, 1], 1_000).revisions).toEqual([2, 1]);
    // Of another config: it says nothing to this one.
    expect(serve(1, SONNET, [1, 1], 2_000, [false, true]).revisions).toEqual([2, 1]);
    expect(serve(1, SONNET, [1, 1], 3_000, [true, false]).revisions).toEqual([1, 1]);
    // What was let go does not come back when the mark is gone.
    expect(serve(1, SONNET, [1, 1], 4_000).revisions).toEqual([1, 1]);
    expect(truth()).toMatchObject({ badAfterRollback: 2 });
  });

  it('multiplies the ordinary rate by the ratio of a fault', () => {
    const { serve } = fleet([fault({ rate: undefined, ratio: 3 })], [{ name: 'bad', rate: '2%' }]);
    const share = (revision: number): number =>
      each(60_000).filter((n) => serve(n % 10_000, SONNET, [revision, 1], 0).bad.length > 0).length / 60_000;
    expect(share(1)).toBeCloseTo(0.02, 2);
    expect(share(2)).toBeGreaterThan(0.056);
    expect(share(2)).toBeLessThan(0.064);
  });

  it('begins a late fault only after its delay, counted from the first exposure', () => {
    const { serve } = fleet([fault({ from: '5s' })]);
    expect(serve(1, SONNET, [2, 1], 1_000).bad).toEqual([]);
    expect(serve(2, SONNET, [2, 1], 5_999).bad).toEqual([]);
    expect(serve(2, SONNET, [2, 1], 6_000).bad).toEqual(['bad']);
  });

  it('keeps a sticky session on the withdrawn revision, says so, and lets it go when the time is over', () => {
    const { serve, fault: truth } = fleet([fault({ sticky: { for: '2s' } })]);
    serve(1, SONNET, [2, 1], 0);
    expect(serve(1, SONNET, [1, 1], 1_000)).toEqual({ revisions: [2, 1], bad: ['bad'], values: [] });
    expect(serve(7, SONNET, [1, 1], 1_500)).toEqual({ revisions: [1, 1], bad: [], values: [] });
    expect(serve(1, SONNET, [1, 1], 1_999).revisions).toEqual([2, 1]);
    expect(serve(1, SONNET, [1, 1], 2_000)).toEqual({ revisions: [1, 1], bad: [], values: [] });
    expect(serve(1, SONNET, [1, 1], 2_001)).toEqual({ revisions: [1, 1], bad: [], values: [] });
    expect(truth()).toMatchObject({ badOnCandidate: 1, badAfterRollback: 2, units: 1 });
  });

  it('keeps a sticky session for a number of requests where the fault says so', () => {
    const { serve } = fleet([fault({ sticky: { requests: 2 } })]);
    serve(1, SONNET, [2, 1], 0);
    expect(each(4).map(() => serve(1, SONNET, [1, 1], 1).revisions[0])).toEqual([2, 2, 1, 1]);
  });

  it('has users for whom everything is always broken, whatever the revision, and charges no fault with them', () => {
    const { serve, truth } = fleet([fault({})], [{ name: 'bad', rate: '0%', alwaysBroken: '5%' }]);
    const broken = each(10_000).filter((unit) => serve(unit, SONNET, [1, 1], 0).bad.length > 0);
    expect(broken.length / 10_000).toBeCloseTo(0.05, 1);
    for (const unit of broken) expect(serve(unit, HAIKU, [2, 1], 0).bad).toEqual(['bad']);
    expect(truth().totals.badOfFaults).toBe(0);
    expect(truth().ordinaryBad['api']?.['bad']).toBe(2 * broken.length);
  });

  it('ends a fault that is taken away, with its sessions, and keeps what it did', () => {
    const { serve, setFaults, fault: truth } = fleet([fault({ sticky: { for: '1h' } })]);
    serve(1, SONNET, [2, 1], 0);
    setFaults([]);
    expect(serve(1, SONNET, [1, 1], 1)).toEqual({ revisions: [1, 1], bad: [], values: [] });
    expect(truth()?.badOnCandidate).toBe(1);
  });
});
