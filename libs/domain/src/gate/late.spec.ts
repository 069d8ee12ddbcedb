import { describe, expect, it } from 'vitest';
import { Chance } from '../simulate/chance.js';
import { foldLook, hasFailed, judge, startEvidence } from './index.js';
import type { CellCount, EvidenceSpec, RolloutEvidence } from './index.js';

const cell = { target: 'api-tpu', model: 'sonnet' };
const spec: EvidenceSpec = {
  alpha: 0.05,
  assignment: 'request',
  signals: [{ signal: 'reports', type: 'rate', shadow: false }],
  cells: [cell],
  margins: [2],
};

const count = (over: Partial<CellCount>): CellCount => ({
  signal: 'reports',
  ...cell,
  shareBp: 1_000,
  candidateBad: 0,
  controlBad: 0,
  ...over,
});

const fold = (looks: readonly (readonly CellCount[])[], of: EvidenceSpec = spec): RolloutEvidence =>
  looks.reduce<RolloutEvidence>((state, cells) => foldLook(state, { look: state.look + 1, cells }), startEvidence(of));

const logEOf = (state: RolloutEvidence): number => state.signals.get('reports')?.logE ?? Number.NaN;

describe('A bad request that becomes known after the look it was served in', () => {
  it('is judged among all requests of its share', () => {
    const late = count({ candidateBad: 6, candidateServed: 1_000, controlServed: 9_000 });
    const together = count({ candidateBad: 6, candidateRequests: 1_000, controlRequests: 9_000 });
    expect(logEOf(fold([[late]]))).toBe(logEOf(fold([[together]])));
    expect(logEOf(fold([[late]]))).toBeGreaterThan(5);
  });

  it('is not judged by the few requests of its share that are served while it becomes known', () => {
    const late = count({ candidateBad: 3, controlBad: 27, candidateServed: 1_001, controlServed: 9_003 });
    const meanwhile = count({ controlBad: 1, candidateRequests: 1, controlRequests: 3 });
    const state = fold([[late, meanwhile]]);
    const { ratio } = judge(state, 'reports', { tolerate: null, targets: null, counts: [] });
    expect(hasFailed(state)).toBe(false);
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.2);
  });

  it('is not among those that may still become known to be bad', () => {
    const first = count({ candidateBad: 40, controlBad: 40, candidateRequests: 100, controlRequests: 100 });
    const late = { candidateBad: 30, controlBad: 10, candidateServed: 100, controlServed: 100 };
    const left = { candidateBad: 30, controlBad: 10, candidateRequests: 60, controlRequests: 60 };
    const frequent: EvidenceSpec = {
      ...spec,
      signals: [{ signal: 'reports', type: 'rate', shadow: false, frequent: true }],
    };
    expect(logEOf(fold([[first], [count(late)]], frequent))).toBe(logEOf(fold([[first], [count(left)]], frequent)));
  });

  it('says nothing where its share never had requests on both arms', () => {
    const late = count({ candidateBad: 9, candidateServed: 500, controlServed: 0 });
    expect(logEOf(fold([[late]]))).toBe(0);
  });

  it('is followed no further than there were requests, whatever is reported', () => {
    const state = fold([[count({ candidateBad: 5, controlBad: 5, candidateServed: 2, controlServed: 3 })]]);
    expect(Number.isFinite(logEOf(state))).toBe(true);
  });

  it('counts by its own share once the stages have moved on', () => {
    const served = count({ shareBp: 5_000, controlBad: 1, candidateRequests: 5_000, controlRequests: 5_000 });
    const late = count({ candidateBad: 12, controlBad: 3, candidateServed: 1_000, controlServed: 9_000 });
    expect(hasFailed(fold([[served], [late]]))).toBe(true);
  });
});

describe('Evidence that comes late', () => {
  /** Each request: when it is served, and with what chances it becomes known to be bad in which look. */
  const REQUESTS = [
    { served: 1, onCandidate: true, chances: [0.2, 0.3, 0.1] },
    { served: 1, onCandidate: true, chances: [0, 0.1, 0.4] },
    { served: 1, onCandidate: false, chances: [0.2, 0.3, 0.1] },
    { served: 1, onCandidate: false, chances: [0, 0.1, 0.4] },
    { served: 2, onCandidate: true, chances: [0, 0.3, 0.2] },
    { served: 2, onCandidate: false, chances: [0, 0.3, 0.2] },
  ];
  const LOOKS = [1, 2, 3];

  /** The look in which each request becomes known to be bad, 0 for never, with its probability. */
  const courses = (): readonly { readonly known: readonly number[]; readonly probability: number }[] =>
    REQUESTS.reduce<{ known: number[]; probability: number }[]>(
      (all, { chances }) =>
        all.flatMap(({ known, probability }) =>
          [1 - chances.reduce((sum, each) => sum + each, 0), ...chances].map((chance, look) => ({
            known: [...known, look],
            probability: probability * chance,
          })),
        ),
      [{ known: [], probability: 1 }],
    );

  const looksOf = (known: readonly number[]): readonly (readonly CellCount[])[] =>
    LOOKS.map((look) => {
      const how = (isLate: boolean, onCandidate: boolean): number =>
        REQUESTS.filter(
          (each, i) => known[i] === look && each.served < look === isLate && each.onCandidate === onCandidate,
        ).length;
      const requests = (onCandidate: boolean, upTo: number): number =>
        REQUESTS.filter((each) => each.onCandidate === onCandidate && each.served <= look && each.served > upTo).length;
      return [
        count({
          candidateBad: how(false, true),
          controlBad: how(false, false),
          candidateRequests: requests(true, look - 1),
          controlRequests: requests(false, look - 1),
        }),
        count({
          candidateBad: how(true, true),
          controlBad: how(true, false),
          candidateServed: requests(true, 0),
          controlServed: requests(false, 0),
        }),
      ];
    });

  it('rule 8: is an e-value over all ways in which outcomes can come, late or not, when both arms are alike', () => {
    const all = courses();
    expect(all.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 12);
    for (const looks of LOOKS) {
      const mean = all.reduce(
        (sum, { known, probability }) => sum + probability * Math.exp(logEOf(fold(looksOf(known).slice(0, looks)))),
        0,
      );
      expect(mean).toBeLessThanOrEqual(1 + 1e-12);
      expect(mean).toBeGreaterThan(0.5);
    }
  });

  type Course = { readonly ratio: number; readonly seed: number };
  const SHARES = [
    ...Array.from({ length: 15 }, () => 1_000),
    ...Array.from({ length: 15 }, () => 5_000),
    // Nothing is served any more, and outcomes go on to come.
    ...Array.from({ length: 30 }, () => 0),
  ];
  const PER_LOOK = 400;

  /** 30 looks of two stages; a bad request becomes known 15 looks later on average, with the same delay on both arms. */
  const play = ({ ratio, seed }: Course): RolloutEvidence => {
    const chance = new Chance(seed);
    const served = new Map<number, [candidate: number, control: number]>();
    const due = SHARES.map(() => new Map<number, [candidate: number, control: number]>());
    let state = startEvidence(spec);
    for (const [look, shareBp] of SHARES.entries()) {
      const base = 0.01 * (1 + Math.sin(look / 5) / 2);
      const arms = [shareBp / 10_000, 1 - shareBp / 10_000].map((part) =>
        chance.poisson(shareBp === 0 ? 0 : PER_LOOK * part),
      );
      const known = served.get(shareBp) ?? [0, 0];
      served.set(shareBp, [known[0] + (arms[0] ?? 0), known[1] + (arms[1] ?? 0)]);
      const fresh: [number, number] = [0, 0];
      for (const arm of [0, 1] as const)
        for (let left = chance.poisson((arms[arm] ?? 0) * base * (arm === 0 ? ratio : 1)); left > 0; left -= 1) {
          const delay = Math.floor(-Math.log(chance.uniform()) * 15);
          if (delay === 0) fresh[arm] += 1;
          const then = due[look + delay];
          if (delay === 0 || then === undefined) continue;
          const waiting = then.get(shareBp) ?? [0, 0];
          waiting[arm] += 1;
          then.set(shareBp, waiting);
        }
      const late = [...(due[look] ?? [])].map(([share, [candidateBad, controlBad]]) => {
        const [candidateServed, controlServed] = served.get(share) ?? [0, 0];
        return count({ shareBp: share, candidateBad, controlBad, candidateServed, controlServed });
      });
      const now = count({
        shareBp,
        candidateBad: fresh[0],
        controlBad: fresh[1],
        candidateRequests: arms[0] ?? 0,
        controlRequests: arms[1] ?? 0,
      });
      state = foldLook(state, { look: look + 1, cells: [now, ...late] });
    }
    return state;
  };
  const failures = (ratio: number, runs: number): number =>
    Array.from({ length: runs }, (_, seed) => play({ ratio, seed: seed + 1 })).filter(hasFailed).length;

  it('rule 8: takes back no more harmless changes than alpha allows, over a ramp, drift and delays', () => {
    expect(failures(1, 600)).toBeLessThanOrEqual(0.05 * 600);
  });

  it('finds harm that becomes known only hours later', () => {
    expect(failures(3, 200)).toBeGreaterThanOrEqual(0.95 * 200);
  });
});
