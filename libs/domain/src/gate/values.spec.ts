import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextUniform, seeded } from '#libs/statistics';
import { foldLook, judge, startEvidence } from './index.js';
import type { CellCount, EvidenceSpec, RolloutEvidence, SignalSpec } from './index.js';

const CELLS = ['api-tpu', 'api-gpu'].map((target) => ({ target, model: 'sonnet' }));

const specOf = (signal: Partial<SignalSpec>, more: Partial<EvidenceSpec> = {}): EvidenceSpec => ({
  alpha: 1e-3,
  assignment: 'unit',
  signals: [{ signal: 'score', type: 'mean', shadow: false, ...signal }],
  cells: CELLS,
  margins: [1.2],
  groups: [null, ['api-tpu']],
  ...more,
});

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

type Draw = (isCandidate: boolean, target: string, chance: () => number) => number;

/** One look of so many values on each target, each on the arm that its coin says. */
const lookOf = (size: number, shareBp: number, chance: () => number, draw: Draw): readonly CellCount[] =>
  CELLS.map(({ target, model }) => {
    const bins = Array.from({ length: size }, () => {
      const isCandidate = chance() < shareBp / 10_000;
      return [draw(isCandidate, target, chance), isCandidate ? 1 : 0, isCandidate ? 0 : 1] as const;
    });
    return { signal: 'score', target, model, shareBp, candidateBad: 0, controlBad: 0, bins };
  });

const countsOf = (looks: readonly (readonly CellCount[])[]) =>
  CELLS.map((cell) => {
    const bins = looks.flat().flatMap(({ target, bins: own = [] }) => (target === cell.target ? own : []));
    return {
      ...cell,
      candidateBad: 0,
      controlBad: 0,
      candidateRequests: bins.reduce((sum, [, candidate]) => sum + candidate, 0),
      controlRequests: bins.reduce((sum, [, , control]) => sum + control, 0),
    };
  });

const play = (spec: EvidenceSpec, count: number, draw: Draw, { shareBp = 1_000, seed = 1, size = 200 } = {}) => {
  const chance = chanceOf(seed);
  const looks = Array.from({ length: count }, () => lookOf(size, shareBp, chance, draw));
  const state = looks.reduce<RolloutEvidence>(
    (folded, cells, n) => foldLook(folded, { look: n + 1, cells }),
    startEvidence(spec),
  );
  return { state, looks, counts: countsOf(looks) };
};

const verdictOf = ({ state, counts }: ReturnType<typeof play>, tolerate: number | null = null) =>
  judge(state, 'score', { tolerate, targets: null, counts });

const score: Draw = (_, __, chance) => Math.min(1, Math.max(0, 0.8 + 0.1 * normal(chance)));
const worseScore: Draw = (isCandidate, target, chance) => score(isCandidate, target, chance) - (isCandidate ? 0.06 : 0);
const latency =
  (factor: (isCandidate: boolean, chance: () => number) => number): Draw =>
  (isCandidate, _, chance) =>
    1.02 ** Math.round(Math.log(500 * Math.exp(0.5 * normal(chance)) * factor(isCandidate, chance)) / Math.log(1.02));

describe('a mean', () => {
  const lower = specOf({ worse: 'lower', title: 'answer scores' });

  it('fails when it is shown to be worse, with both means in the sentence', () => {
    const verdict = verdictOf(play(lower, 20, worseScore));
    expect(verdict).toMatchObject({ verdict: 'fail', method: 'mean-bet-v1' });
    expect(verdict.sentence).toMatch(
      /^answer scores on .*: 0\.7\d+ over [\d,]+ values on the candidate against 0\.8\d* over [\d,]+ values on control; shown to be lower than control, about x0\.9/,
    );
    expect(verdict.values?.candidate?.mean).toBeCloseTo(0.74, 1);
    expect(verdict.ratio).toBeCloseTo(0.925, 1);
    expect(verdict.interval?.[1]).toBeLessThan(1);
  });

  it('does not fail when it is better, and goes on once it is shown to be within the margin', () => {
    const better = play(
      lower,
      20,
      (isCandidate, target, chance) => score(isCandidate, target, chance) + (isCandidate ? 0.06 : 0),
    );
    expect(verdictOf(better, 1.2)).toMatchObject({ verdict: 'pass' });
    expect(verdictOf(play(lower, 1, score), 1.2)).toMatchObject({ verdict: 'inconclusive' });
    expect(verdictOf(play(lower, 20, score), 1.2)).toMatchObject({ verdict: 'pass' });
  });

  it('is within its harm when it is worse by less than that', () => {
    expect(verdictOf(play(specOf({ worse: 'lower', harm: 1.2 }), 30, worseScore)).verdict).toBe('pass');
  });

  it('names the slice that is worse alone', () => {
    const onTpu: Draw = (isCandidate, target, chance) =>
      target === 'api-tpu' ? worseScore(isCandidate, target, chance) : score(isCandidate, target, chance);
    const verdict = verdictOf(play(lower, 25, onTpu));
    expect(verdict.proved).toEqual([{ target: 'api-tpu', model: 'sonnet' }]);
    expect(verdict.sentence).toContain('on api-tpu:');
  });

  it('is not measured before there are values on both arms', () => {
    expect(verdictOf({ state: startEvidence(lower), looks: [], counts: [] })).toMatchObject({
      verdict: 'not-measured',
      sentence: 'answer scores: no value measured on the candidate yet',
    });
  });

  it('rule 3: is not measured as long as one target has no value of its own, and the evidence names only those that have', () => {
    const { state, counts } = play(lower, 20, score);
    const onlyTpu = counts.map((slice) =>
      slice.target === 'api-tpu' ? slice : { ...slice, candidateRequests: 0, controlRequests: 0 },
    );
    const verdict = judge(state, 'score', { tolerate: 1.2, targets: null, counts: onlyTpu });
    expect(verdict).toMatchObject({
      verdict: 'not-measured',
      sentence: 'answer scores: no value measured on both arms of api-gpu yet',
    });
    expect(judge(state, 'score', { tolerate: 1.2, targets: ['api-tpu'], counts: onlyTpu }).sentence).toContain(
      'on api-tpu:',
    );
  });

  it('rule 8: has an e-value of 1 in the mean over all labellings, in slices and over all of them', () => {
    const values = [0.3, 0.9, 0.1, 0.8, 0.5, 0.2, 0.7, 0.6];
    let [sum, cellSum] = [0, 0];
    for (let labels = 0; labels < 2 ** values.length; labels += 1) {
      const rho = 0.3;
      const bins = values.map((value, i) => [value, (labels >> i) & 1, 1 - ((labels >> i) & 1)] as const);
      const chance = bins.reduce((p, [, candidate]) => p * (candidate === 1 ? rho : 1 - rho), 1);
      const cellOf = (target: string, own: typeof bins): CellCount => ({
        signal: 'score',
        target,
        model: 'sonnet',
        shareBp: 3_000,
        candidateBad: 0,
        controlBad: 0,
        bins: own,
      });
      const looks = [
        [cellOf('api-tpu', bins.slice(0, 2)), cellOf('api-gpu', bins.slice(2, 4))],
        [cellOf('api-tpu', bins.slice(4, 6)), cellOf('api-gpu', bins.slice(6))],
      ];
      const state = looks.reduce<RolloutEvidence>(
        (folded, cells, n) => foldLook(folded, { look: n + 1, cells }),
        startEvidence(lower),
      );
      sum += chance * Math.exp(state.signals.get('score')?.logE ?? Number.NaN);
      cellSum += chance * Math.exp(state.signals.get('score')?.cells.get('api-tpu\u0000sonnet')?.logE ?? Number.NaN);
    }
    expect(sum).toBeCloseTo(1, 10);
    expect(cellSum).toBeCloseTo(1, 10);
  });

  it('does not depend on the order of the counts within a look', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), (seed) => {
        const chance = chanceOf(seed);
        const looks = Array.from({ length: 4 }, () => [
          ...lookOf(8, 1_000, chance, score),
          ...lookOf(8, 5_000, chance, score),
        ]);
        const fold = (all: typeof looks) =>
          all.reduce<RolloutEvidence>(
            (state, cells, n) => foldLook(state, { look: n + 1, cells }),
            startEvidence(lower),
          );
        const [one, other] = [fold(looks), fold(looks.map((cells) => cells.toReversed()))];
        const [a, b] = [one.signals.get('score')?.logE ?? 0, other.signals.get('score')?.logE ?? 1];
        if (Math.abs(a - b) > 1e-9) throw new Error(`${a} and ${b}`);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a distribution', () => {
  const slower = specOf({ type: 'distribution', title: 'time to first token', unit: 'ms' });

  it('fails when all of it is slower, with median and tail in the sentence', () => {
    const verdict = verdictOf(
      play(
        slower,
        30,
        latency((isCandidate) => (isCandidate ? 1.25 : 1)),
      ),
    );
    expect(verdict).toMatchObject({ verdict: 'fail', method: 'distribution-bet-v1' });
    expect(verdict.sentence).toMatch(
      /median 6\d\d ms, p99 [\d,]+ ms over [\d,]+ values on the candidate against median/,
    );
    expect(verdict.ratio).toBeCloseTo(1.25, 1);
  });

  it('fails when only a tail of it is slower, which no mean would show', () => {
    const tail = latency((isCandidate, chance) => (isCandidate && chance() < 0.05 ? 8 : 1));
    expect(verdictOf(play(slower, 60, tail)).verdict).toBe('fail');
  });

  it('passes when nothing is', () => {
    expect(
      verdictOf(
        play(
          slower,
          30,
          latency(() => 1),
        ),
        1.2,
      ).verdict,
    ).toBe('pass');
  });
});

describe('rates that are not rare', () => {
  const bad = (candidateBad: number, controlBad: number): CellCount => ({
    signal: 'score',
    target: 'api-tpu',
    model: 'sonnet',
    shareBp: 5_000,
    candidateBad,
    controlBad,
    candidateRequests: 1_000,
    controlRequests: 1_000,
  });
  const logEOf = (frequent: boolean, ...cells: readonly CellCount[]) =>
    cells.reduce<RolloutEvidence>(
      (state, cell, n) => foldLook(state, { look: n + 1, cells: [cell] }),
      startEvidence(specOf({ type: 'rate', ...(frequent ? { frequent } : {}) }, { assignment: 'request' })),
    );

  it('are judged by odds, which sees sooner what the bet on rare events gives away', () => {
    const cells = [bad(560, 500), bad(555, 505)];
    const score_ = (frequent: boolean) => logEOf(frequent, ...cells).signals.get('score')?.logE ?? Number.NaN;
    expect(score_(true)).toBeGreaterThan(score_(false) + 1);
    const counts = [
      { target: 'api-tpu', model: 'sonnet', ...cells[0], candidateRequests: 1_000, controlRequests: 1_000 },
    ];
    expect(
      judge(logEOf(true, ...cells), 'score', { tolerate: null, targets: null, counts: counts as never }).method,
    ).toBe('rate-odds-v1');
  });

  it('estimate the ratio of odds within an interval that holds 1 where nothing is worse', () => {
    const verdict = judge(logEOf(true, bad(500, 502), bad(498, 497)), 'score', {
      tolerate: 1.2,
      targets: null,
      counts: countsOf([]).map((slice) => ({ ...slice, candidateRequests: 1_000, controlRequests: 1_000 })),
    });
    expect(verdict.ratio).toBeCloseTo(1, 1);
    expect(verdict.interval?.[0]).toBeLessThan(1);
    expect(verdict.interval?.[1]).toBeGreaterThan(1);
  });
});

describe('pairs', () => {
  const pair = (candidateBad: number, controlBad: number): CellCount => ({
    signal: 'score',
    target: 'api-tpu',
    model: 'sonnet',
    shareBp: 100,
    candidateBad,
    controlBad,
  });
  const judged = (...cells: readonly CellCount[]) =>
    judge(
      cells.reduce<RolloutEvidence>(
        (state, cell, n) => foldLook(state, { look: n + 1, cells: [cell] }),
        startEvidence(specOf({ type: 'paired', title: 'disagreements' })),
      ),
      'score',
      {
        tolerate: null,
        targets: null,
        counts: [
          {
            target: 'api-gpu',
            model: 'sonnet',
            candidateBad: 0,
            candidateRequests: 1,
            controlBad: 0,
            controlRequests: 1,
          },
          {
            target: 'api-tpu',
            model: 'sonnet',
            candidateBad: 30,
            candidateRequests: 400,
            controlBad: 4,
            controlRequests: 400,
          },
        ],
      },
    );

  it('are fair coins whatever the exposure: what differs for the worse more often than for the better is harm', () => {
    expect(judged(pair(15, 2), pair(15, 2))).toMatchObject({
      verdict: 'fail',
      method: 'paired-grid-v1',
      sentence:
        'disagreements on api-gpu and api-tpu: 30 of 401 on the candidate against 4 of 401 on control; at least 1.7 times',
    });
    expect(judged(pair(15, 15), pair(14, 16)).verdict).toBe('pass');
  });
});
