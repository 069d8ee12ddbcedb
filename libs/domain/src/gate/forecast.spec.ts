import { describe, expect, it } from 'vitest';
import { predictStage } from './index.js';
import type { StageToPredict } from './index.js';

const stage: StageToPredict = {
  alpha: 1e-3,
  signals: [
    { signal: 'errors', type: 'rate', shadow: false, badPerRequest: 0.01, tolerate: null },
    { signal: 'wrong-pool', type: 'invariant', shadow: false, badPerRequest: 0, tolerate: null },
  ],
  traffic: [
    { target: 'api/tpu', model: 'sonnet', shareBp: 1000, requestsPerSecond: 100 },
    { target: 'api/gpu', model: 'sonnet', shareBp: 1000, requestsPerSecond: 50 },
  ],
  bakeMs: 10_000,
  activationUnits: 50,
  minRequests: 300,
};

const asking = (tolerate: number, badPerRequest = 0.01): StageToPredict => ({
  ...stage,
  signals: [{ signal: 'errors', type: 'rate', shadow: false, badPerRequest, tolerate }],
});

const reason = (of: StageToPredict, name: string): number | null | undefined =>
  predictStage(of).reasons.find((each) => each.reason === name)?.ms;

describe('the prediction of a stage', () => {
  it('says how long activation, samples and bake take, and that the longest decides', () => {
    expect(reason(stage, 'activation')).toBe(10_000);
    expect(reason(stage, 'samples')).toBe(20_000);
    expect(reason(stage, 'bake')).toBe(10_000);
    expect(predictStage(stage)).toMatchObject({ ms: 20_000, impossible: [] });
  });

  it('is no shorter than the time within which outcomes become known, and proof comes later by as much', () => {
    const [errors] = asking(2).signals;
    if (errors === undefined) throw new Error('There is no signal.');
    const late = { ...asking(2), signals: [{ ...errors, delayMs: 7_200_000 }] };
    expect(reason(late, 'delay')).toBe(7_200_000);
    expect(reason(late, 'tolerate')).toBe((reason(asking(2), 'tolerate') ?? 0) + 7_200_000);
    expect(predictStage({ ...late, signals: [{ ...errors, tolerate: null, delayMs: 7_200_000 }] }).ms).toBe(7_200_000);
    expect(reason({ ...late, signals: [{ ...errors, delayMs: 7_200_000, shadow: true }] }, 'delay')).toBeUndefined();
  });

  it('takes into account that units come back, and that there are only so many of them', () => {
    const few = {
      ...stage,
      traffic: [{ target: 'api/tpu', model: 'sonnet', shareBp: 1000, requestsPerSecond: 100, units: 600 }],
    };
    expect(reason(few, 'activation')).toBeGreaterThan(10_000);
    const tooFew = {
      ...stage,
      traffic: [{ target: 'api/tpu', model: 'sonnet', shareBp: 1000, requestsPerSecond: 100, units: 400 }],
    };
    expect(predictStage(tooFew).impossible).toMatchObject([{ code: 'never-activates', target: 'api/tpu' }]);
    expect(predictStage(tooFew).ms).toBeNull();
  });

  it('says how long each signal needs to be shown below tolerate: longer for rarer signals and tighter margins', () => {
    const wide = reason(asking(3), 'tolerate') ?? 0;
    expect(wide).toBeGreaterThan(10_000);
    expect(reason(asking(1.5), 'tolerate')).toBeGreaterThan(3 * wide);
    expect((reason(asking(3, 0.001), 'tolerate') ?? 0) / wide).toBeCloseTo(10, 2);
  });

  it('counts what earlier stages have shown already', () => {
    const alone = reason(asking(1.5), 'tolerate') ?? 0;
    const later = (seconds: number, shareBp: number): StageToPredict => ({
      ...asking(1.5),
      before: [{ traffic: [{ target: 'api/tpu', model: 'sonnet', shareBp, requestsPerSecond: 100 }], seconds }],
    });
    expect(reason(later(100, 1_000), 'tolerate')).toBeLessThan(alone);
    expect(reason(later(1_000, 5_000), 'tolerate')).toBe(0);
  });

  it('says which harm is seen by the end, and a longer stage sees less', () => {
    const short = predictStage(stage).sees[0];
    const long = predictStage({ ...stage, bakeMs: 600_000 }).sees[0];
    expect(short?.signal).toBe('errors');
    expect(short?.nearlySure).toBeGreaterThan(short?.likely ?? 1e9);
    expect(long?.likely).toBeLessThan(short?.likely ?? 0);
    expect(long?.likely).toBeGreaterThan(1);
  });

  it('tells that nothing serves at all from a share that is too small', () => {
    const slice = { target: 'api-tpu', model: 'm', shareBp: 1000, requestsPerSecond: 0 };
    const message = (over: Partial<typeof slice>) =>
      predictStage({ ...stage, traffic: [{ ...slice, ...over }] }).impossible[0]?.message;
    expect(message({})).toBe('no traffic was seen on api-tpu in the last 10 minutes: connect a fleet first.');
    expect(message({ requestsPerSecond: 5, shareBp: 0 })).toContain('raise an exposure');
  });

  it('does not pretend to know a base rate', () => {
    const unknown = {
      ...stage,
      signals: [{ signal: 'errors', type: 'rate', shadow: false, badPerRequest: null, tolerate: 3 }],
    } as const;
    expect(predictStage(unknown)).toMatchObject({ ms: null, impossible: [], sees: [] });
  });

  it.each([
    ['no-candidate-traffic', { traffic: [{ target: 't', model: 'm', shareBp: 1000, requestsPerSecond: 0 }] }],
    ['no-candidate-traffic', { traffic: [] }],
    ['no-control-traffic', { traffic: [{ target: 't', model: 'm', shareBp: 10_000, requestsPerSecond: 5 }] }],
    ['never-shown', { signals: [{ signal: 'errors', type: 'rate', shadow: false, badPerRequest: 0, tolerate: 2 }] }],
    [
      'never-shown',
      { signals: [{ signal: 'errors', type: 'rate', shadow: false, harm: 2, badPerRequest: 0.1, tolerate: 2 }] },
    ],
  ] satisfies [string, Partial<StageToPredict>][])('finds a stage impossible with code %s', (code, over) => {
    const { impossible, ms } = predictStage({ ...stage, ...over });
    expect(impossible.map((each) => each.code)).toContain(code);
    expect(ms).toBeNull();
  });
});
