import { uniformAt } from '#libs/statistics';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  evidenceRecord,
  foldLook,
  hasFailed,
  judge,
  packEvidence,
  Packer,
  startEvidence,
  unpackEvidence,
  Unpacker,
  type CellCount,
  type EvidenceSpec,
  type InstanceCount,
  type InstancePlace,
  type RolloutEvidence,
  type SignalSpec,
  type SliceCounts,
} from './index.js';

const ERRORS: SignalSpec = { signal: 'errors', title: 'script errors', type: 'rate', shadow: false };
const SCORE: SignalSpec = { signal: 'score', title: 'scores', type: 'mean', shadow: false, worse: 'lower' };
const LATENCY: SignalSpec = { signal: 'latency', title: 'latency', type: 'distribution', shadow: false, unit: 'ms' };

const specOf = (signals: readonly SignalSpec[] = [ERRORS], more: Partial<EvidenceSpec> = {}): EvidenceSpec => ({
  alpha: 0.1,
  assignment: 'instance',
  signals,
  cells: [{ target: 'api-tpu', model: 'haiku' }],
  margins: [2],
  groups: [null],
  ...more,
});

const isBad = (place: InstancePlace): boolean => place === 'chosen' || place === 'kept';

/** A fleet of which the first are chosen, and what each served: so many requests, with the bad ones among them. */
const cell = (
  chosen: number,
  served: readonly (readonly [count: number, sum: number])[],
  more: Partial<CellCount> & { readonly kept?: number } = {},
): CellCount => {
  const { kept = 0, ...rest } = more;
  const instances = served.map(([count, sum], i): InstanceCount => {
    const place = i < kept ? 'kept' : i < chosen ? 'chosen' : 'spared';
    return [`tpu-${String(i).padStart(2, '0')}`, place, count, sum];
  });
  const badOn = (candidate: boolean): number =>
    instances.reduce((sum, [, place, , bad]) => sum + (isBad(place) === candidate ? bad : 0), 0);
  return {
    signal: 'errors',
    target: 'api-tpu',
    model: 'haiku',
    shareBp: 2_500,
    candidateBad: badOn(true),
    controlBad: badOn(false),
    drawn: served.length - kept,
    instances,
    ...rest,
  };
};

const fold = (state: RolloutEvidence, ...cells: readonly CellCount[]): RolloutEvidence =>
  foldLook(state, { look: state.look + 1, cells });

const counts = (candidate: number, control: number): readonly SliceCounts[] => [
  {
    target: 'api-tpu',
    model: 'haiku',
    candidateBad: 0,
    candidateRequests: candidate,
    controlBad: 0,
    controlRequests: control,
  },
];

const verdictOf = (state: RolloutEvidence, signal = 'errors', tolerate: number | null = null) =>
  judge(state, signal, { tolerate, targets: null, counts: counts(2_000, 6_000) });

const BAD = [41, 40, 2, 1, 3, 2, 2, 1].map((bad) => [1_000, bad] as const);
const GOOD = [2, 1, 2, 1, 3, 2, 2, 1].map((bad) => [1_000, bad] as const);

describe('a config assigned by instance', () => {
  it('that is bad on two of eight is found, and the sentence counts instances', () => {
    const state = startEvidence(specOf());
    for (let n = 0; n < 3; n += 1) fold(state, cell(2, BAD));
    expect(verdictOf(state)).toMatchObject({
      verdict: 'fail',
      method: 'instance-permutation-v1',
      interval: null,
      sentence:
        'script errors by instance on api-tpu: 4% on 2 instances of the candidate against 0.18% on 6 of control; shown to be worse',
    });
    expect(hasFailed(state)).toBe(true);
  });

  it('that does no harm is not shown harmful', () => {
    const state = startEvidence(specOf());
    for (let n = 0; n < 40; n += 1) fold(state, cell(2, GOOD));
    const { verdict, sentence } = verdictOf(state);
    expect(verdict).toBe('pass');
    expect(sentence).toContain(
      '0.15% on 2 instances of the candidate against 0.18% on 6 of control; not shown harmful',
    );
  });

  it('is not blamed for one machine that is far worse than all others, however many requests it serves', () => {
    const state = startEvidence(specOf());
    const slow = GOOD.map(([count, bad], i) => [count, i === 0 ? 400 : bad] as const);
    for (let n = 0; n < 200; n += 1) fold(state, cell(2, slow));
    expect(verdictOf(state).verdict).not.toBe('fail');
  });

  it('can be shown to be within a margin, once the draw is large enough to tell', () => {
    const fleet = Array.from({ length: 24 }, (_, i) => [1_000, 20 + (i % 3)] as const);
    const small = startEvidence(specOf());
    for (let n = 0; n < 20; n += 1) fold(small, cell(1, fleet.slice(0, 4)));
    expect(verdictOf(small, 'errors', 2).verdict).toBe('inconclusive');
    const state = startEvidence(specOf());
    for (let n = 0; n < 20; n += 1) fold(state, cell(12, fleet));
    expect(verdictOf(state, 'errors', 2)).toMatchObject({ verdict: 'pass' });
    expect(verdictOf(state, 'errors', 2).sentence).toContain('shown to be below x2');
  });

  it('counts an instance once, however many models it serves', () => {
    const cells = ['haiku', 'sonnet', 'opus'].map((model) => ({ target: 'api-tpu', model }));
    const state = startEvidence(specOf([ERRORS], { cells }));
    for (let n = 0; n < 500; n += 1) fold(state, ...cells.map(({ model }) => cell(2, BAD, { model })));
    const most = Math.log(1 / 8 + (7 / 8) * 28);
    expect(verdictOf(state).logE).toBeLessThan(most);
    expect(verdictOf(state).logE).toBeGreaterThan(Math.log(12));
  });

  it('goes on from what an earlier exposure has shown, and draws anew from those not chosen then', () => {
    const state = startEvidence(specOf());
    fold(state, cell(2, BAD));
    const first = verdictOf(state).logE;
    fold(state, cell(4, GOOD, { shareBp: 5_000, kept: 2 }));
    expect(verdictOf(state).logE).toBeGreaterThan(first + Math.log(1 / 8) - 1e-9);
    for (let n = 0; n < 5; n += 1)
      fold(
        state,
        cell(
          4,
          BAD.map(([count], i) => [count, i < 4 ? 40 : 2] as const),
          { shareBp: 5_000, kept: 2 },
        ),
      );
    expect(verdictOf(state).logE).toBeGreaterThan(first);
  });

  it('takes no notice of what arrives late of an earlier exposure', () => {
    const state = startEvidence(specOf());
    fold(state, cell(4, GOOD, { shareBp: 5_000, kept: 2 }));
    const before = verdictOf(state).logE;
    for (let n = 0; n < 5; n += 1) fold(state, cell(2, BAD));
    expect(verdictOf(state).logE).toBe(before);
  });

  it('leaves out instances that came after the draw: no lot decided that they are on control', () => {
    const [one, two] = [startEvidence(specOf()), startEvidence(specOf())];
    const late: InstanceCount = ['late-1', 'late', 5_000, 0];
    for (let n = 0; n < 3; n += 1) {
      const told = cell(2, BAD);
      fold(one, told);
      fold(two, { ...told, instances: [...(told.instances ?? []), late] });
    }
    expect(verdictOf(two).logE).toBe(verdictOf(one).logE);
    expect(verdictOf(two).sentence).toContain('on 7 of control');
  });

  it('waits until all of the draw was heard of, or much of the others', () => {
    const state = startEvidence(specOf());
    const half = { ...cell(2, BAD), instances: cell(2, BAD).instances?.slice(0, 2) ?? [] };
    fold(state, { ...half, instances: half.instances.map(([name, place]) => [name, place, 100, 15] as const) });
    expect(verdictOf(state).logE).toBeCloseTo(Math.log(1 / 8), 9);
    fold(state, cell(2, BAD));
    expect(verdictOf(state).logE).toBeGreaterThan(0);
  });

  it.each([
    [SCORE, [0.4, 0.41], [0.7, 0.71, 0.69, 0.72, 0.7, 0.68], 'scores by instance on api-tpu: 0.405 on 2 instances'],
    [LATENCY, [6.9, 6.8], [6.1, 6.2, 6.15, 6.05, 6.1, 6.2], 'latency by instance on api-tpu: 944 ms on 2 instances'],
  ])('is judged by values too: $signal', (signal, chosen, spared, words) => {
    const state = startEvidence(specOf([signal]));
    const told = [...chosen, ...spared].map((mean) => [50, mean * 50] as const);
    for (let n = 0; n < 4; n += 1)
      fold(state, cell(2, told, { signal: signal.signal, candidateBad: 0, controlBad: 0 }));
    const verdict = verdictOf(state, signal.signal);
    expect(verdict.verdict).toBe('fail');
    expect(verdict.sentence).toContain(words);
    expect(verdict.values?.candidate?.count).toBe(400);
  });

  it('finds harm on one of two targets, and names that one', () => {
    const cells = ['api-tpu', 'api-gpu'].map((target) => ({ target, model: 'haiku' }));
    const state = startEvidence(specOf([ERRORS], { cells }));
    const large = (bad: number) => Array.from({ length: 16 }, (_, i) => [1_000, i < 4 ? bad : 2 + (i % 2)] as const);
    for (let n = 0; n < 8; n += 1) fold(state, cell(4, large(40)), cell(4, large(2), { target: 'api-gpu' }));
    expect(verdictOf(state).sentence).toMatch(/by instance on api-tpu: 4% on 4 instances/);
  });

  it('is the same wherever a look ends that is written down and read again', () => {
    const told = [
      cell(2, BAD),
      cell(2, GOOD),
      cell(4, BAD, { shareBp: 5_000, kept: 2 }),
      cell(4, GOOD, { shareBp: 5_000, kept: 2 }),
    ];
    const whole = startEvidence(specOf());
    for (const each of told) fold(whole, each);
    let again = startEvidence(specOf());
    for (const each of told) {
      fold(again, each);
      const packer = new Packer();
      packEvidence(packer, again);
      again = startEvidence(specOf());
      const unpacker = new Unpacker(packer.packed());
      unpackEvidence(unpacker, again);
      expect(unpacker.isAtEnd).toBe(true);
    }
    expect(evidenceRecord(again)).toEqual(evidenceRecord(whole));
    expect(verdictOf(again, 'errors', 2)).toEqual(verdictOf(whole, 'errors', 2));
  });
});

/** All ways to choose k of a list. */
const choose = (names: readonly number[], k: number): readonly (readonly number[])[] => {
  if (k === 0) return [[]];
  const [first, ...rest] = names;
  return first === undefined ? [] : [...choose(rest, k - 1).map((others) => [first, ...others]), ...choose(rest, k)];
};

describe('rule 8: where the choice makes no difference', () => {
  const FLEET = [0, 1, 2, 3, 4];
  const bad = fc.oneof(fc.nat(5), fc.constantFrom(0, 0, 300, 900));
  const window = fc.array(fc.tuple(fc.constantFrom(10, 1_000, 1_000), bad), { minLength: 5, maxLength: 5 });
  const course = fc.array(window, { minLength: 1, maxLength: 3 });

  /** The highest evidence over two stages: k of the fleet, then one more of the others. */
  const highest = (
    stages: readonly (readonly (readonly (readonly [number, number])[])[])[],
    draws: readonly (readonly number[])[],
  ): number => {
    const state = startEvidence(specOf());
    let top = 0;
    for (const [stage, windows] of stages.entries())
      for (const served of windows) {
        const kept = new Set(draws.slice(0, stage).flat());
        const chosen = new Set(draws[stage]);
        const instances = served.map(([count, each], i): InstanceCount => {
          const place = kept.has(i) ? 'kept' : chosen.has(i) ? 'chosen' : 'spared';
          return [`tpu-${i}`, place, count, Math.min(count, each)];
        });
        fold(state, { ...cell(0, []), instances, drawn: 5 - kept.size, shareBp: 2_000 * (stage + 1) });
        top = Math.max(top, Math.exp(state.signals.get('errors')?.logE ?? 0));
      }
    return stages.length === draws.length ? Math.max(top, 0) : top;
  };

  it('a bound b is reached by at most one in b of all draws of two stages, whatever the instances are like', () => {
    fc.assert(
      fc.property(course, course, fc.integer({ min: 1, max: 2 }), (first, second, k) => {
        const tops = choose(FLEET, k).flatMap((one) =>
          choose(
            FLEET.filter((i) => !one.includes(i)),
            1,
          ).map((two) => highest([first, second], [one, two])),
        );
        for (const bound of [1.5, 2, 3, 5, 8])
          expect(tops.filter((top) => top >= bound).length / tops.length).toBeLessThanOrEqual(1 / bound);
      }),
      { numRuns: 60 },
    );
  });
});

/** Numbers from a Poisson distribution by a seeded source. */
const chanceOf = (seed: number) => {
  let drawn = 0;
  const uniform = (): number => uniformAt(seed, (drawn += 1));
  const poisson = (mean: number): number => {
    let [left, count] = [Math.exp(-mean), 0];
    for (let product = uniform(); product > left; product *= uniform()) count += 1;
    return count;
  };
  return { uniform, poisson };
};

describe('rule 8: at the edge of what is borne', () => {
  /** Whether the claim is ever shown on a fleet of which the chosen are worse by exactly the ratio. */
  const isShown = (
    seed: number,
    ratio: number,
    perWindow: number,
    spec: EvidenceSpec,
    margin: number | null,
  ): boolean => {
    const { uniform, poisson } = chanceOf(seed);
    const rates = Array.from({ length: 12 }, () => perWindow * (uniform() < 0.25 ? 5 : 1));
    const state = startEvidence(spec);
    for (let n = 0; n < 30; n += 1) {
      const served = rates.map((rate, i) => [1_000, poisson(i < 4 ? ratio * rate : rate)] as const);
      // Whoever is bad was drawn before anyone was chosen: the first four are a lot like any other.
      fold(state, cell(4, served));
      const { verdict, logPromote } = verdictOf(state, 'errors', margin);
      if (margin === null ? verdict === 'fail' : (logPromote ?? 0) >= Math.log(20)) return true;
    }
    return false;
  };
  const part = (ratio: number, perWindow: number, spec: EvidenceSpec, margin: number | null): number => {
    const runs = 150;
    let shown = 0;
    for (let seed = 1; seed <= runs; seed += 1) if (isShown(seed, ratio, perWindow, spec, margin)) shown += 1;
    return shown / runs;
  };

  it.each([0.2, 1, 10])(
    'a fleet that is worse by just what is borne is not blamed (%s bad in a window)',
    (perWindow) => {
      const harm = startEvidence(specOf([{ ...ERRORS, harm: 2 }])).spec;
      expect(part(2, perWindow, harm, null)).toBeLessThanOrEqual(0.1);
    },
  );

  it.each([0.2, 1, 10])('nor is it let go on where the margin is just reached (%s bad in a window)', (perWindow) => {
    expect(part(2, perWindow, specOf(), 2)).toBeLessThanOrEqual(0.05);
  });
});
