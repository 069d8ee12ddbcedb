import { describe, expect, it } from 'vitest';
import { nextUniform, seeded } from '#libs/statistics';
import { foldLook, hasFailed, judge, packEvidence, Packer, startEvidence, unpackEvidence, Unpacker } from './index.js';
import type { CellCount, EvidenceSpec, JudgeOptions, RolloutEvidence, SliceCounts } from './index.js';
import { signalShares } from './weights.js';

const tpu = { target: 'api-tpu', model: 'sonnet' };
const errors = { signal: 'errors', type: 'rate', shadow: false, title: 'errors', source: 'prometheus' } as const;
const exact = { signal: 'script', type: 'rate', shadow: false } as const;

const specOf = (signal: EvidenceSpec['signals'][number] = errors): EvidenceSpec => ({
  alpha: 1e-3,
  assignment: 'unit',
  signals: [exact, signal],
  cells: [tpu],
  margins: [2],
});

type Counts = readonly [candidateBad: number, candidateRequests: number, controlBad: number, controlRequests: number];

const cell = (
  [candidateBad, candidateRequests, controlBad, controlRequests]: Counts,
  more: object = {},
): CellCount => ({
  signal: 'errors',
  ...tpu,
  shareBp: 1_000,
  candidateBad,
  candidateRequests,
  controlBad,
  controlRequests,
  ...more,
});

const folded = (looks: readonly CellCount[], spec = specOf()): RolloutEvidence =>
  looks.reduce<RolloutEvidence>(
    (state, each, i) => foldLook(state, { look: i + 1, cells: [each] }),
    startEvidence(spec),
  );

const sum = (looks: readonly CellCount[]): SliceCounts =>
  looks.reduce<SliceCounts>(
    (all, { candidateBad, controlBad, candidateRequests = 0, controlRequests = 0 }) => ({
      ...tpu,
      candidateBad: all.candidateBad + candidateBad,
      candidateRequests: all.candidateRequests + candidateRequests,
      controlBad: all.controlBad + controlBad,
      controlRequests: all.controlRequests + controlRequests,
    }),
    { ...tpu, candidateBad: 0, candidateRequests: 0, controlBad: 0, controlRequests: 0 },
  );

const judged = (looks: readonly CellCount[], over: Partial<JudgeOptions> = {}, spec = specOf()) =>
  judge(folded(looks, spec), 'errors', { tolerate: null, targets: null, counts: [sum(looks)], ...over });

const times = (count: number, each: CellCount): readonly CellCount[] => Array.from({ length: count }, () => each);

describe('a signal that a source counts', () => {
  it('takes no part of alpha: the others are judged as if it were not there', () => {
    expect(signalShares([exact, errors])[0]).toBe(signalShares([exact])[0]);
    const state = folded(times(5, cell([50, 1_000, 50, 9_000])));
    expect(hasFailed(state)).toBe(false);
    expect(state.signals.get('errors')?.failedAt).not.toBeNull();
  });

  it('fails on the realised shares, whatever the coin of its config is, and says what that rests on', () => {
    const verdict = judged(times(5, cell([50, 1_000, 50, 9_000])));
    expect(verdict).toMatchObject({ verdict: 'fail', method: 'counted-rate-v1' });
    expect(verdict.sentence).toMatch(
      /^errors on api-tpu: 250 of 5,000 on the candidate against 250 of 45,000 on control; at least \d.* times \(counted by prometheus without units: approximate, outside alpha\)$/,
    );
    // The configured share is 10%; where half of the requests went to the candidate, half of the bad ones are no harm.
    expect(judged(times(5, cell([50, 5_000, 50, 5_000]))).verdict).toBe('pass');
  });

  it('is not failed any more once its evidence is gone: nothing was proved for good', () => {
    const bad = times(3, cell([12, 1_000, 10, 9_000]));
    expect(judged(bad).verdict).toBe('fail');
    expect(judged([...bad, ...times(60, cell([5, 1_000, 95, 9_000]))]).verdict).not.toBe('fail');
  });

  it('says nothing while only one arm is counted', () => {
    const alone = times(5, cell([100, 1_000, 0, 0]));
    expect(judged(alone).verdict).toBe('not-measured');
    expect(folded(alone).signals.get('errors')?.logE).toBe(0);
  });

  it('rule 3: passes no targets together while it was not counted on both arms of each of them', () => {
    const gpu = { target: 'api-gpu', model: 'sonnet' };
    const looks = times(5, cell([10, 1_000, 90, 9_000]));
    const spec = { ...specOf(), cells: [tpu, gpu] };
    const verdict = judged(looks, {}, spec);
    expect(verdict.verdict).toBe('not-measured');
    expect(verdict.sentence).toContain('errors: no request measured on both arms of api-gpu yet');
    expect(judged(looks, { targets: ['api-tpu'] }, spec).verdict).toBe('pass');
  });

  it('is worth less where units differ more than by chance', () => {
    const looks = times(3, cell([12, 1_000, 10, 9_000], { dispersion: 6 }));
    const verdict = judged(looks);
    expect(verdict.verdict).not.toBe('fail');
    expect(verdict.sentence).toContain('spread x6 between units');
    expect(judged(looks, { tolerate: 2 }).logPromote).toBe(
      judged(times(3, cell([12, 1_000, 10, 9_000])), { tolerate: 2 }).logPromote,
    );
  });

  it('goes on from what was written down, to the last bit', () => {
    const looks = [...times(3, cell([9, 1_000, 40, 9_000], { dispersion: 2.5 })), cell([3, 0, 1, 0])];
    const before = folded(looks);
    const packer = new Packer();
    packEvidence(packer, before);
    const again = startEvidence(specOf());
    unpackEvidence(new Unpacker(packer.packed()), again);
    const next = { look: 5, cells: [cell([4, 1_000, 11, 9_000])] };
    expect(foldLook(again, next)).toEqual(foldLook(before, next));
  });
});

describe('a limit', () => {
  const limited = specOf({ ...errors, limit: 0.02 });

  it('fails once the rate is shown to be above it, however bad control is', () => {
    const looks = times(4, cell([50, 1_000, 450, 9_000]));
    const verdict = judged(looks, {}, limited);
    expect(verdict.verdict).toBe('fail');
    expect(verdict.sentence).toContain('shown to be above the limit of 2%');
    expect(judged(looks).verdict).toBe('pass');
  });

  it('is kept by a rate at it, at 100 looks in none of 200 seeded courses', () => {
    let seed = seeded(7);
    const uniform = (): number => {
      const [value, next] = nextUniform(seed);
      seed = next;
      return value;
    };
    const course = (): boolean => {
      let [bad, requests] = [0, 0];
      for (let look = 0; look < 100; look += 1) {
        requests += 100;
        for (let n = 0; n < 100; n += 1) if (uniform() < 0.02) bad += 1;
        const counts = [{ ...tpu, candidateBad: bad, candidateRequests: requests, controlBad: 0, controlRequests: 1 }];
        if (judge(empty, 'errors', { tolerate: null, targets: null, counts }).verdict === 'fail') return true;
      }
      return false;
    };
    const empty = startEvidence(limited);
    expect(Array.from({ length: 200 }, course).filter(Boolean).length).toBe(0);
  });

  it('of a mean is one of its values, which need no other arm', () => {
    const mean = { ...errors, type: 'mean', worse: 'lower', limit: 0.8 } as const;
    const bins = [
      [0.5, 40, 0],
      [0.75, 60, 0],
    ] as const;
    const looks = times(10, { signal: 'errors', ...tpu, shareBp: 1_000, candidateBad: 0, controlBad: 0, bins });
    const counts = [{ ...sum([]), candidateRequests: 1_000 }];
    const verdict = judged(looks, { counts, isBefore: true }, specOf(mean));
    expect(verdict).toMatchObject({ verdict: 'fail', method: 'before-after-v1' });
    expect(verdict.sentence).toContain('0.65 over 1,000 values since the rollout; shown to be below the limit of 0.8');
  });
});

describe('without arms', () => {
  const since = (candidateBad: number, controlBad: number): SliceCounts => ({
    ...tpu,
    candidateBad,
    candidateRequests: 10_000,
    controlBad,
    controlRequests: 50_000,
  });
  const before = (counts: SliceCounts) => judged([], { counts: [counts], isBefore: true });

  it('fails when the slice is shown to be worse than before the rollout, and says that it may have another cause', () => {
    const verdict = before(since(90, 120));
    expect(verdict).toMatchObject({ verdict: 'fail', method: 'before-after-v1' });
    expect(verdict.sentence).toBe(
      'errors on api-tpu: 90 of 10,000 since the rollout against 120 of 50,000 before it; shown to be worse than before, which may have another cause (counted by prometheus without units: approximate, outside alpha)',
    );
  });

  it('never passes', () => {
    expect(before(since(24, 120)).verdict).toBe('inconclusive');
    expect(before(since(0, 120)).verdict).toBe('inconclusive');
  });
});
