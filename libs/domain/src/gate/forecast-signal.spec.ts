import { describe, expect, it } from 'vitest';
import { nextUniform, seeded } from '#libs/statistics';
import { foldLook, judge, predictStage, startEvidence } from './index.js';
import type { CellCount, EvidenceSpec, SignalForecast, SignalSpec } from './index.js';

/*
 * What is predicted is measured here with the judge itself: stages of so many looks are played with harm of the size that
 * is said to be seen with a chance of 80%, and it is counted how often the verdict is `fail` by the end. The tolerance is
 * 14 points either way, which is three standard errors of the play: 3 sqrt(0.8 0.2 / 80).
 */
const RUNS = 80;
const [LEAST, MOST] = [0.66, 0.94];

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
  let [count, left] = [-1, 1];
  for (const least = Math.exp(-mean); left > least; left *= chance()) count += 1;
  return count;
};

const TARGETS = ['api-gpu', 'api-tpu'];
const SHARE_BP = 2_000;
const RHO = SHARE_BP / 10_000;
const LOOKS = 12;
const traffic = TARGETS.map((target) => ({ target, model: 'sonnet', shareBp: SHARE_BP, requestsPerSecond: 100 }));

const specOf = (signal: SignalSpec, assignment: EvidenceSpec['assignment']): EvidenceSpec => ({
  alpha: 1e-3,
  assignment,
  signals: [signal],
  cells: traffic.map(({ target, model }) => ({ target, model })),
  margins: [],
});

/** The smallest harm that a stage of a second for each look would see. */
const predicted = (signal: SignalForecast, seconds = LOOKS) => {
  const { sees } = predictStage({
    alpha: 1e-3,
    signals: [signal],
    traffic,
    bakeMs: seconds * 1_000,
    activationUnits: 0,
    minRequests: 0,
  });
  return sees[0];
};

/** That something was served, without which the judge says nothing. */
const SERVED = traffic.map(({ target, model }) => ({
  target,
  model,
  candidateBad: 0,
  candidateRequests: 500,
  controlBad: 0,
  controlRequests: 2e3,
}));

type CellAt = (target: string, chance: () => number, ratio: number) => Partial<CellCount>;

/** How often the judge finds the harm by the end. */
const foundOf = (spec: EvidenceSpec, cellAt: CellAt, ratio: number): number => {
  const signal = spec.signals[0]?.signal ?? '';
  let found = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const chance = chanceOf(1_000 + run);
    const state = startEvidence(spec);
    for (let look = 1; look <= LOOKS; look += 1) {
      const cells = TARGETS.map((target) => ({
        signal,
        target,
        model: 'sonnet',
        shareBp: SHARE_BP,
        candidateBad: 0,
        controlBad: 0,
        ...cellAt(target, chance, ratio),
      }));
      foldLook(state, { look, cells });
    }
    if (judge(state, signal, { tolerate: null, targets: null, counts: SERVED }).verdict === 'fail') found += 1;
  }
  return found / RUNS;
};

/** Values that stand in one bin each, on the arm that their coin says. */
const binsOf = (count: number, chance: () => number, valueOn: (isCandidate: boolean) => number): CellCount['bins'] => {
  const bins = new Map<number, [candidate: number, control: number]>();
  for (let n = 0; n < count; n += 1) {
    const isCandidate = chance() < RHO;
    const value = valueOn(isCandidate);
    const bin = bins.get(value) ?? [0, 0];
    bin[isCandidate ? 0 : 1] += 1;
    bins.set(value, bin);
  }
  return [...bins].toSorted(([a], [b]) => a - b).map(([value, [candidate, control]]) => [value, candidate, control]);
};

/** What such values look like when they were measured lately, without any harm. */
const seenOf = (valueOn: (chance: () => number) => number) => {
  const chance = chanceOf(7);
  const seen = new Map<number, number>();
  for (let n = 0; n < 20_000; n += 1) {
    const value = valueOn(chance);
    seen.set(value, (seen.get(value) ?? 0) + 1);
  }
  return [...seen];
};

const score = (chance: () => number): number =>
  Math.round(64 * Math.min(1, Math.max(0, 0.7 + 0.15 * normal(chance)))) / 64;
const latency = (chance: () => number): number =>
  1.1 ** Math.round(Math.log(400 * Math.exp(0.6 * normal(chance))) / Math.log(1.1));

const PER_LOOK = 60;
const valuesOf = (valueOn: (chance: () => number) => number) =>
  TARGETS.map((target) => ({ target, model: 'sonnet', perSecond: PER_LOOK, seen: seenOf(valueOn) }));

const within = (part: number): void => {
  expect(part).toBeGreaterThan(LEAST);
  expect(part).toBeLessThanOrEqual(MOST);
};

describe('the smallest harm that a stage is predicted to see with a chance of 80% is found by the judge as often', () => {
  it('on a mean of which lower is worse', () => {
    const spec: SignalSpec = { signal: 'score', type: 'mean', worse: 'lower', shadow: false };
    const ratio = predicted({ ...spec, badPerRequest: null, tolerate: null, values: valuesOf(score) })?.likely ?? NaN;
    expect(ratio).toBeGreaterThan(1);
    const found = foundOf(
      specOf(spec, 'unit'),
      (_, chance, worse) => ({
        bins: binsOf(PER_LOOK, chance, (isCandidate) => score(chance) / (isCandidate ? worse : 1)),
      }),
      ratio,
    );
    within(found);
  });

  it('on a distribution of which everything is slower', () => {
    const spec: SignalSpec = { signal: 'first-token', type: 'distribution', shadow: false };
    const ratio = predicted({ ...spec, badPerRequest: null, tolerate: null, values: valuesOf(latency) })?.likely ?? NaN;
    expect(ratio).toBeGreaterThan(1);
    const found = foundOf(
      specOf(spec, 'request'),
      (_, chance, worse) => ({
        bins: binsOf(PER_LOOK, chance, (isCandidate) => latency(chance) * (isCandidate ? worse : 1)),
      }),
      ratio,
    );
    within(found);
  });

  it('on a distribution of which some harm is borne', () => {
    const spec: SignalSpec = { signal: 'first-token', type: 'distribution', harm: 1.2, shadow: false };
    const ratio = predicted({ ...spec, badPerRequest: null, tolerate: null, values: valuesOf(latency) })?.likely ?? NaN;
    expect(ratio).toBeGreaterThan(1.2);
    const found = foundOf(
      specOf(spec, 'request'),
      (_, chance, worse) => ({
        bins: binsOf(PER_LOOK, chance, (isCandidate) => latency(chance) * (isCandidate ? worse : 1)),
      }),
      ratio,
    );
    within(found);
  });

  it('on pairs, which are done on both arms whatever the share is', () => {
    const spec: SignalSpec = { signal: 'golden', type: 'paired', shadow: false };
    const pairs = TARGETS.map((target) => ({ target, perSecond: 20, badPart: 0.03 }));
    const ratio = predicted({ ...spec, badPerRequest: null, tolerate: null, pairs })?.likely ?? NaN;
    expect(ratio).toBeGreaterThan(1);
    const found = foundOf(
      specOf(spec, 'unit'),
      (_, chance, worse) => ({
        candidateBad: poisson(chance, 20 * 0.03 * worse),
        controlBad: poisson(chance, 20 * 0.03),
      }),
      ratio,
    );
    within(found);
  });

  it.each([1, 2])(
    'on a rate that a source counts, of which units are %s times as far apart as by chance',
    (dispersion) => {
      const spec: SignalSpec = { signal: 'errors', type: 'rate', source: 'otlp', shadow: false };
      const ratio = predicted({ ...spec, badPerRequest: 0.01, tolerate: null, dispersion })?.likely ?? NaN;
      expect(ratio).toBeGreaterThan(1);
      // Bad requests come in clumps of as many.
      const clumps = (chance: () => number, mean: number): number => dispersion * poisson(chance, mean / dispersion);
      const found = foundOf(
        specOf(spec, 'request'),
        (_, chance, worse) => ({
          candidateBad: clumps(chance, 100 * RHO * 0.01 * worse),
          controlBad: clumps(chance, 100 * (1 - RHO) * 0.01),
          candidateRequests: 100 * RHO,
          controlRequests: 100 * (1 - RHO),
          dispersion,
        }),
        ratio,
      );
      within(found);
    },
  );
});

describe('the time until values are predicted to be shown within a margin', () => {
  it.each([1.1, 1.15])('is within a third of what it takes on average, below x%s', (margin) => {
    const signal: SignalSpec = { signal: 'first-token', type: 'distribution', shadow: false };
    const asked = { ...signal, badPerRequest: null, tolerate: margin, values: valuesOf(latency) };
    const stage = { alpha: 1e-3, signals: [asked], traffic, bakeMs: 0, activationUnits: 0, minRequests: 0 };
    const ms = predictStage(stage).reasons.find(({ reason }) => reason === 'tolerate')?.ms ?? NaN;
    const spec = { ...specOf(signal, 'request'), margins: [margin], groups: [null] };
    let looks = 0;
    const runs = 20;
    for (let run = 0; run < runs; run += 1) {
      const chance = chanceOf(5_000 + run);
      const state = startEvidence(spec);
      const isShown = (): boolean =>
        judge(state, 'first-token', { tolerate: margin, targets: null, counts: SERVED }).verdict === 'pass';
      for (let look = 1; !isShown(); look += 1) {
        const place = { signal: 'first-token', model: 'sonnet', shareBp: SHARE_BP, candidateBad: 0, controlBad: 0 };
        const bins = () => binsOf(PER_LOOK, chance, () => latency(chance));
        foldLook(state, { look, cells: TARGETS.map((target) => ({ ...place, target, bins: bins() })) });
        looks += 1;
      }
    }
    expect((looks / runs) * 1_000).toBeGreaterThan(0.67 * ms);
    expect((looks / runs) * 1_000).toBeLessThan(1.33 * ms);
  });
});

describe('what is predicted of a signal', () => {
  const values = valuesOf(latency);
  const firstToken: SignalForecast = {
    signal: 'first-token',
    type: 'distribution',
    shadow: false,
    badPerRequest: null,
    tolerate: null,
  };

  it('is nothing where nothing was measured of it lately, on no target of the stage', () => {
    expect(predicted(firstToken)).toBeUndefined();
    expect(predicted({ ...firstToken, values: values.map((each) => ({ ...each, target: 'vertex' })) })).toBeUndefined();
    expect(predicted({ ...firstToken, type: 'paired', pairs: [] })).toBeUndefined();
  });

  it('is less in a longer stage, and more where almost sure', () => {
    const [short, long] = [predicted({ ...firstToken, values }), predicted({ ...firstToken, values }, 10 * LOOKS)];
    expect(short?.nearlySure).toBeGreaterThan(short?.likely ?? Infinity);
    expect(long?.likely).toBeLessThan(short?.likely ?? 0);
  });

  it('rests on what is known by then: of what becomes known late, the time before the delay', () => {
    const late = predicted({ ...firstToken, values, delayMs: 600_000 }, 600 + LOOKS);
    expect(late).toEqual(predicted({ ...firstToken, values }));
    expect(predicted({ ...firstToken, values, delayMs: 600_000 }, LOOKS)).toMatchObject({ likely: null });
  });
});
