import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foldLook, judge, packEvidence, Packer, startEvidence, unpackEvidence, Unpacker } from './index.js';
import type { CellCount, EvidenceSpec, RolloutEvidence } from './index.js';

const TARGETS = ['api-tpu', 'api-gpu', 'bedrock'];
const spec: EvidenceSpec = {
  alpha: 1e-3,
  assignment: 'unit',
  signals: [
    { signal: 'errors', type: 'rate', shadow: false },
    { signal: 'refusals', type: 'rate', shadow: false, harm: 1.2, weight: 3 },
    { signal: 'verbosity', type: 'rate', shadow: true },
    { signal: 'score', type: 'mean', shadow: false, worse: 'lower' },
    { signal: 'latency', type: 'distribution', shadow: false, harm: 1.1, unit: 'ms' },
    { signal: 'often', type: 'rate', shadow: false, frequent: true },
  ],
  cells: TARGETS.flatMap((target) => ['haiku', 'sonnet'].map((model) => ({ target, model }))),
  margins: [2, 1.5],
  groups: [null, ['api-tpu', 'api-gpu'], ['bedrock']],
};

const count = fc.record({
  signal: fc.constantFrom('errors', 'refusals', 'verbosity', 'often', 'of another plan'),
  target: fc.constantFrom(...TARGETS, 'added later', 'added later still'),
  model: fc.constantFrom('haiku', 'sonnet'),
  shareBp: fc.oneof(fc.constantFrom(0, 100, 1000, 5000, 10_000), fc.integer({ min: 1, max: 9_999 })),
  candidateBad: fc.oneof(fc.nat(3), fc.nat(60)),
  controlBad: fc.nat(4),
  candidateRequests: fc.nat(40),
  controlRequests: fc.nat(400),
});
const values = fc.record({
  signal: fc.constantFrom('score', 'latency'),
  target: fc.constantFrom(...TARGETS, 'added later'),
  model: fc.constantFrom('haiku', 'sonnet'),
  shareBp: fc.constantFrom(100, 1000, 5000, 10_000),
  candidateBad: fc.constant(0),
  controlBad: fc.constant(0),
  bins: fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.nat(2), fc.nat(5)), { maxLength: 5 }),
});
const looks = fc.array(fc.array(fc.oneof({ weight: 3, arbitrary: count }, values), { maxLength: 8 }), {
  minLength: 1,
  maxLength: 24,
});
const assignment = fc.constantFrom('unit' as const, 'request' as const);

const fold = (state: RolloutEvidence, all: readonly (readonly CellCount[])[]): RolloutEvidence =>
  all.reduce((folded, cells) => foldLook(folded, { look: folded.look + 1, cells }), state);

const restored = (state: RolloutEvidence): RolloutEvidence => {
  const packer = new Packer();
  packEvidence(packer, state);
  const unpacker = new Unpacker(packer.packed());
  const fresh = startEvidence(state.spec);
  unpackEvidence(unpacker, fresh);
  expect(unpacker.isAtEnd).toBe(true);
  return fresh;
};

/** All that later looks and verdicts can depend on; the tables of costs are only remembered, not told by looks. */
const told = (state: RolloutEvidence): unknown => ({ ...state, tables: undefined });

describe('evidence that was written down and read again', () => {
  it('rule 12: goes on, to the last bit, as if it had never been away', () => {
    fc.assert(
      fc.property(looks, looks, assignment, (before, after, coin) => {
        const whole = fold(startEvidence({ ...spec, assignment: coin }), before);
        const again = restored(whole);
        expect(told(again)).toEqual(told(whole));
        fold(whole, after);
        fold(again, after);
        expect(told(again)).toEqual(told(whole));
        for (const signal of whole.signals.keys())
          for (const targets of [null, ['bedrock'], ['api-gpu', 'bedrock']]) {
            const options = { tolerate: 2, targets, counts: [] };
            expect(judge(again, signal, options)).toEqual(judge(whole, signal, options));
          }
      }),
      { numRuns: 60 },
    );
  });

  it('is the same after a stop between any two looks', () => {
    fc.assert(
      fc.property(looks, (all) => {
        const whole = fold(startEvidence(spec), all);
        const interrupted = all.reduce((state, cells) => fold(restored(state), [cells]), startEvidence(spec));
        expect(told(interrupted)).toEqual(told(whole));
      }),
      { numRuns: 30 },
    );
  });

  it('is not made up where what was written is too short', () => {
    const packer = new Packer();
    packEvidence(packer, fold(startEvidence(spec), [[]]));
    const { numbers, names } = packer.packed();
    const cut = new Unpacker({ numbers: numbers.subarray(0, numbers.length - 1), names });
    expect(() => unpackEvidence(cut, startEvidence(spec))).toThrow('ends too early');
  });
});
