import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evidenceRecord, foldLook, hasFailed, judge, startEvidence } from './index.js';
import type { CellCount, EvidenceSpec, JudgeOptions, Look, RolloutEvidence, SliceCounts, Violations } from './index.js';

const tpu = { target: 'api/tpu', model: 'sonnet' };
const gpu = { target: 'api/gpu', model: 'sonnet' };

const spec: EvidenceSpec = {
  alpha: 1e-3,
  assignment: 'unit',
  signals: [
    { signal: 'unexpected-script', type: 'rate', shadow: false, title: 'script errors' },
    { signal: 'wrong-pool', type: 'invariant', shadow: false, title: 'requests in the wrong pool' },
    { signal: 'verbosity', type: 'rate', shadow: true },
  ],
  cells: [tpu, gpu],
  margins: [2],
};

const bad = (over: Partial<CellCount>): CellCount => ({
  signal: 'unexpected-script',
  ...tpu,
  shareBp: 1000,
  candidateBad: 0,
  controlBad: 0,
  ...over,
});

const folded = (looks: readonly (readonly CellCount[])[], of: EvidenceSpec = spec): RolloutEvidence =>
  looks.reduce<RolloutEvidence>((state, cells, i) => foldLook(state, { look: i + 1, cells }), startEvidence(of));

const totals = (over: Partial<SliceCounts>): SliceCounts => ({
  ...tpu,
  candidateBad: 0,
  candidateRequests: 9120,
  controlBad: 9,
  controlRequests: 81_700,
  ...over,
});

const options = (over: Partial<JudgeOptions> = {}): JudgeOptions => ({
  tolerate: null,
  targets: null,
  counts: [totals({})],
  ...over,
});

const script = (state: RolloutEvidence, over: Partial<JudgeOptions> = {}) =>
  judge(state, 'unexpected-script', options(over));

const harmless = [[bad({ candidateBad: 10, controlBad: 90 })], [bad({ candidateBad: 30, controlBad: 270 })]];
const harmful = [[bad({ candidateBad: 20, controlBad: 5 })], [bad({ candidateBad: 21, controlBad: 4 })]];

describe('a rate guardrail', () => {
  it('fails with its counts, its slice and the least ratio that is shown', () => {
    const verdict = script(folded(harmful), {
      counts: [totals({ candidateBad: 41 }), totals({ ...gpu, controlBad: 0 })],
    });
    expect(verdict.verdict).toBe('fail');
    expect(verdict.proved).toEqual([tpu]);
    expect(verdict.sentence).toMatch(
      /^script errors on api\/tpu: 41 of 9,120 on the candidate against 9 of 81,700 on control; at least \d+ times$/,
    );
    expect(verdict.maxLogE).toBeGreaterThanOrEqual(verdict.logBound);
    expect(verdict.ratio).toBeGreaterThan(20);
    expect(verdict.interval?.[0]).toBeGreaterThan(10);
    expect(JSON.parse(JSON.stringify(verdict))).toEqual(verdict);
  });

  it('stays failed when later evidence looks better, and fails over a margin that is met', () => {
    const later = Array.from({ length: 40 }, () => [bad({ ...gpu, candidateBad: 1, controlBad: 99 })]);
    const verdict = script(folded([...harmful, ...later]), { tolerate: 2 });
    expect(verdict.logPromote).toBeGreaterThan(3);
    expect(verdict.verdict).toBe('fail');
  });

  it('without tolerate passes on samples alone and says no more than "not shown harmful"', () => {
    const verdict = script(folded(harmless), { minRequests: 9000 });
    expect(verdict.verdict).toBe('pass');
    expect(verdict.sentence).toMatch(/; not shown harmful$/);
    const tooFew = script(folded(harmless), { minRequests: 10_000 });
    expect(tooFew.verdict).toBe('inconclusive');
    expect(tooFew.sentence).toContain('9,120 of the 10,000 candidate requests that are needed');
  });

  it('with tolerate passes only when the ratio is shown to be below it', () => {
    expect(script(folded(harmless), { tolerate: 2 })).toMatchObject({ verdict: 'pass', tolerate: 2 });
    expect(script(folded(harmless), { tolerate: 2 }).sentence).toMatch(/; shown to be below x2$/);
    const early = script(folded(harmless.slice(0, 1)), { tolerate: 2 });
    expect(early.verdict).toBe('inconclusive');
    expect(early.sentence).toMatch(/; not yet shown to be below x2$/);
  });

  it('is not measured while either arm has no request, and never passes then', () => {
    for (const counts of [[], [totals({ candidateRequests: 0 })], [totals({ controlRequests: 0 })]]) {
      expect(script(folded([]), { counts }).verdict).toBe('not-measured');
    }
  });

  it('judges margins and samples of a track on the targets of that track alone', () => {
    const state = folded([...harmless, [bad({ ...gpu, candidateBad: 3, controlBad: 20 })]]);
    const counts = [totals({}), totals({ ...gpu, candidateRequests: 50 })];
    expect(script(state, { tolerate: 2, counts, targets: [tpu.target] }).verdict).toBe('pass');
    const other = script(state, { tolerate: 2, counts, targets: [gpu.target] });
    expect(other.verdict).toBe('inconclusive');
    expect(other.counts.candidateRequests).toBe(50);
  });

  it('holds instead of passing while the evidence of harm is already strong', () => {
    const verdict = script(folded([[bad({ candidateBad: 6, controlBad: 2 })]]));
    expect(verdict.maxLogE).toBeLessThan(verdict.logBound);
    expect(verdict.verdict).toBe('inconclusive');
    expect(verdict.sentence).toContain('too suspicious to go on');
  });

  it('holds from the e-value on that the plan names, however many signals share alpha', () => {
    const others = Array.from(
      { length: 20 },
      (_, n) => ({ signal: `other-${n}`, type: 'rate', shadow: false }) as const,
    );
    const many = { ...spec, signals: [...spec.signals, ...others] };
    const leaning = [[bad({ candidateBad: 5, controlBad: 4 })]];
    const odds = Math.exp(script(folded(leaning)).logE);
    expect(odds).toBeGreaterThan(10);
    expect(odds).toBeLessThan(100);
    const verdictAt = (of: EvidenceSpec): string => script(folded(leaning, of)).verdict;
    for (const of of [spec, many]) {
      expect(verdictAt({ ...of, suspicion: 10 })).toBe('inconclusive');
      expect(verdictAt({ ...of, suspicion: odds * 1.01 })).toBe('pass');
    }
    expect(verdictAt(many)).toBe('pass');
  });

  it('with harm 2 does not fail at a ratio of 1.8', () => {
    const signals = [{ signal: 'unexpected-script', type: 'rate', shadow: false, harm: 2 }] as const;
    const looks = [[bad({ candidateBad: 1800, controlBad: 9000 })]];
    expect(hasFailed(folded(looks, { ...spec, signals }))).toBe(false);
    expect(hasFailed(folded(looks))).toBe(true);
  });

  it('refuses signals and margins that were not declared', () => {
    expect(() => judge(folded([]), 'latency', options())).toThrow('Signal latency was not declared');
    expect(() => script(folded([]), { tolerate: 1.7 })).toThrow('Margin 1.7 was not declared');
  });
});

describe('an invariant', () => {
  const violated = (candidate: number, controlInLookback: number, more: Partial<Violations> = {}) =>
    judge(
      folded([]),
      'wrong-pool',
      options({ violations: { candidate, controlInLookback, ...more }, counts: [totals({ candidateBad: candidate })] }),
    );

  it('fails at the first violation on the candidate while control has none', () => {
    expect(violated(1, 0)).toMatchObject({ verdict: 'fail', method: 'invariant-v1' });
    expect(violated(1, 0).sentence).toBe(
      'requests in the wrong pool on api/tpu: 1 on the candidate, none on control in the look-back; it must never be seen',
    );
  });

  it('names where it was violated, which may be on targets of another track', () => {
    const elsewhere = { ...totals({ candidateBad: 3 }), target: 'bedrock/trainium' };
    const { sentence } = judge(
      folded([]),
      'wrong-pool',
      options({
        targets: ['api/tpu'],
        violations: { candidate: 3, controlInLookback: 0 },
        counts: [totals({}), elsewhere],
      }),
    );
    expect(sentence).toMatch(/^requests in the wrong pool on bedrock\/trainium: 3 on the candidate/);
  });

  it('becomes a rate when control violates it too, and the sentence says so', () => {
    const verdict = violated(1, 3);
    expect(verdict).toMatchObject({ verdict: 'pass', method: 'rate-grid-v1' });
    expect(verdict.sentence).toContain('control violates it too');
  });

  it('names another change that was on trial on the same requests when it fails', () => {
    expect(violated(1, 0, { suspects: ['revision 4 of sampler'] }).sentence).toMatch(
      /must never be seen; revision 4 of sampler, also on trial, was live on the same requests and may be the cause$/,
    );
    expect(violated(1, 0, { suspects: ['revision 4 of sampler', 'revision 9 of tone'] }).sentence).toMatch(
      /; revision 4 of sampler and revision 9 of tone, also on trial, were live on the same requests/,
    );
  });

  it('is judged as a rate where another change explains what was seen, and the sentence says which', () => {
    const verdict = violated(0, 0, { explained: 3, suspects: ['revision 4 of sampler'] });
    expect(verdict).toMatchObject({ verdict: 'pass', method: 'rate-grid-v1' });
    expect(verdict.sentence).toContain(
      '(3 seen together with revision 4 of sampler, also on trial, which explains it better, so it is judged as a rate)',
    );
    expect(violated(1, 0, { explained: 3 })).toMatchObject({ verdict: 'fail', method: 'invariant-v1' });
  });

  it('passes on samples without a violation, and not before', () => {
    expect(violated(0, 0).verdict).toBe('pass');
    expect(judge(folded([]), 'wrong-pool', options({ counts: [] })).verdict).toBe('not-measured');
  });
});

describe('one bound over all signals', () => {
  it('gives 90% of alpha to what is declared, and a shadow signal takes nothing and decides nothing', () => {
    const state = folded([]);
    const deciding = [...state.signals.values()].filter((signal) => !signal.spec.shadow);
    const spent = deciding.reduce((sum, { logBound }) => sum + Math.exp(-logBound), 0);
    expect(spent).toBeCloseTo(0.9 * spec.alpha, 12);
    const shadowed = folded(harmful.map((look) => look.map((count) => ({ ...count, signal: 'verbosity' }))));
    expect(judge(shadowed, 'verbosity', options())).toMatchObject({ verdict: 'fail', shadow: true });
    expect(hasFailed(shadowed)).toBe(false);
  });

  it('needs more evidence when a restart after a veto runs on a share of alpha', () => {
    const [first] = folded([]).signals.values();
    const [second] = folded([], { ...spec, alpha: spec.alpha / 4 }).signals.values();
    expect((second?.logBound ?? 0) - (first?.logBound ?? 0)).toBeCloseTo(Math.log(4), 12);
  });

  it('has merged evidence with a mean of exactly 1 over all arms, over slices, shares and a raise', () => {
    const events = [
      { ...tpu, shareBp: 100 },
      { ...gpu, shareBp: 100 },
      { ...tpu, shareBp: 1000 },
      { ...tpu, shareBp: 100 },
      { ...gpu, shareBp: 5000 },
      { ...tpu, shareBp: 1000 },
      { ...gpu, shareBp: 5000 },
      { ...gpu, shareBp: 5000 },
    ];
    let mean = 0;
    for (let arms = 0; arms < 2 ** events.length; arms += 1) {
      const counts = events.map((event, i) => {
        const candidateBad = (arms >> i) & 1;
        return bad({ ...event, candidateBad, controlBad: 1 - candidateBad });
      });
      const chance = counts.reduce(
        (p, { candidateBad, shareBp }) => (p * (candidateBad === 1 ? shareBp : 10_000 - shareBp)) / 10_000,
        1,
      );
      const state = folded([counts.slice(0, 2), counts.slice(2, 5), ...counts.slice(5).map((count) => [count])]);
      mean += chance * Math.exp(state.signals.get('unexpected-script')?.logE ?? 0);
    }
    expect(mean).toBeCloseTo(1, 11);
  });

  it('takes slices that appear later out of the reserve, at most a tenth of alpha however many there are', () => {
    const state = startEvidence(spec);
    for (let n = 1; n <= 50; n += 1) {
      foldLook(state, { look: n, cells: [bad({ target: `new-${n}`, controlBad: 1 })] });
    }
    const cells = [...(state.signals.get('unexpected-script')?.cells.values() ?? [])].filter(
      ({ weight }) => weight === 0,
    );
    expect(cells).toHaveLength(50);
    const spent = cells.reduce((sum, { logBound }) => sum + Math.exp(-logBound), 0);
    expect(spent).toBeLessThanOrEqual(0.1 * spec.alpha);
    const late = foldLook(state, { look: 51, cells: [bad({ target: 'new-51', candidateBad: 40, controlBad: 2 })] });
    expect(hasFailed(late)).toBe(true);
  });
});

describe('folding looks', () => {
  const count = fc.record({
    signal: fc.constantFrom('unexpected-script', 'wrong-pool'),
    target: fc.constantFrom('api/tpu', 'api/gpu', 'undeclared'),
    model: fc.constant('sonnet'),
    shareBp: fc.constantFrom(0, 100, 1000, 5000, 10_000),
    candidateBad: fc.nat(4),
    controlBad: fc.nat(4),
  });
  const looks = fc.array(fc.array(count, { maxLength: 6 }), { maxLength: 12 });

  it('does not depend on repeated looks, on looks without bad events, or on the order of counts in a look', () => {
    fc.assert(
      fc.property(looks, (all) => {
        const plain = startEvidence(spec);
        const other = startEvidence(spec);
        all.forEach((cells, i) => foldLook(plain, { look: 3 * i + 1, cells }));
        all.forEach((cells, i) => {
          const declared = cells.filter(({ target }) => target !== 'undeclared');
          const later = cells.filter(({ target }) => target === 'undeclared');
          const look: Look = { look: 3 * i + 1, cells: [...declared.toReversed(), ...later] };
          foldLook(other, look);
          foldLook(other, look);
          foldLook(other, { look: 3 * i + 2, cells: [bad({})] });
        });
        for (const [name, signal] of plain.signals) {
          expect(other.signals.get(name)?.logE).toBeCloseTo(signal.logE, 9);
          expect(other.signals.get(name)?.failedAt).toBe(signal.failedAt);
        }
      }),
    );
  });

  it('takes one look at a slice however many counts it brings', () => {
    const state = folded([
      [bad({ controlBad: 1 }), bad({ shareBp: 100, controlBad: 2 }), bad({ shareBp: 5000, controlBad: 3 })],
    ]);
    expect(evidenceRecord(state).signals[0]?.cells).toMatchObject([{ ...tpu, looks: 1 }]);
  });

  it.each([
    ['one slice', [tpu]],
    ['two slices', [tpu, gpu]],
  ])('finds a fault sooner when it begins with an increase of exposure: %s', (_, cells) => {
    const control = { controlBad: 1, shareBp: 1000 };
    const quiet = Array.from({ length: 60 }, (__, i) => [bad({ ...cells[i % cells.length], ...control })]);
    const fault = [bad({ ...cells[0], candidateBad: 20, shareBp: 5000 })];
    // The other rollout has had an event at this share long before, so the fault is no longer news of an increase.
    const known = [bad({ ...cells[0], ...control }), bad({ ...cells[0], controlBad: 1, shareBp: 5000 })];
    const raised = script(folded([...quiet, fault], { ...spec, cells }));
    const late = script(folded([known, ...quiet.slice(1), fault], { ...spec, cells }));
    expect(raised.logE).toBeGreaterThan(late.logE + 3);
  });

  it('learns nothing from traffic that has only one arm', () => {
    const state = folded([[bad({ shareBp: 0, controlBad: 9 }), bad({ shareBp: 10_000, candidateBad: 90 })]]);
    expect(script(state).logE).toBe(0);
    const realised = folded([[bad({ candidateBad: 90, candidateRequests: 100, controlRequests: 0 })]], {
      ...spec,
      assignment: 'request',
    });
    expect(script(realised).logE).toBe(0);
  });

  it('uses the realised share when requests are assigned one by one', () => {
    const counted = bad({ shareBp: 1000, candidateBad: 10, controlBad: 10 });
    const state = folded([[{ ...counted, candidateRequests: 500, controlRequests: 500 }]], {
      ...spec,
      assignment: 'request',
    });
    expect(script(state).ratio).toBeCloseTo(1, 1);
  });

  it('records the same evidence for the same looks, as JSON', () => {
    const record = evidenceRecord(folded(harmful));
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
    expect(evidenceRecord(folded(harmful))).toEqual(record);
    expect(evidenceRecord(folded(harmless))).not.toEqual(record);
  });

  it.each([
    [{ alpha: 0 }, 'Alpha 0'],
    [{ signals: [] }, 'names no signal'],
    [{ margins: [1] }, 'Margin 1'],
    [{ cells: [tpu, tpu] }, 'slice is named twice'],
    [{ signals: [{ signal: 'x', type: 'rate', shadow: false, harm: 0.5 }] }, 'harm 0.5'],
  ] satisfies [Partial<EvidenceSpec>, string][])('refuses to start on %j', (over, message) => {
    expect(() => startEvidence({ ...spec, ...over })).toThrow(message);
  });
});
