import { describe, expect, it } from 'vitest';
import { foldLook, judge, startEvidence, type EvidenceSpec, type RolloutEvidence } from './index.js';

const spec: EvidenceSpec = {
  alpha: 1e-3,
  assignment: 'unit',
  signals: [{ signal: 'errors', type: 'rate', shadow: false }],
  cells: [{ target: 'bedrock', model: 'sonnet' }],
  margins: [1.5],
};

const counts = [
  { target: 'bedrock', model: 'sonnet', candidateBad: 0, candidateRequests: 9, controlBad: 0, controlRequests: 9 },
];

const verdictAfter = (state: RolloutEvidence): string =>
  judge(state, 'errors', { tolerate: 1.5, targets: ['bedrock'], counts }).verdict;

const look = (number: number, shareBp: number, candidateBad: number, controlBad: number) => ({
  look: number,
  cells: [{ signal: 'errors', target: 'bedrock', model: 'sonnet', shareBp, candidateBad, controlBad }],
});

describe('a margin that was shown', () => {
  it('stays shown when a later stage, with next to no control left, can say nothing about it', () => {
    const groups = [['bedrock']];
    const state = foldLook(startEvidence({ ...spec, groups }), look(1, 5000, 150, 142));
    expect(verdictAfter(state)).toBe('pass');
    expect(verdictAfter(foldLook(state, look(2, 9900, 450, 2)))).toBe('pass');
  });

  it('is judged as it stands for a group that was not named at the start', () => {
    const state = foldLook(startEvidence(spec), look(1, 5000, 150, 142));
    expect(verdictAfter(state)).toBe('pass');
    expect(verdictAfter(foldLook(state, look(2, 9900, 450, 2)))).toBe('inconclusive');
  });

  it('does not outweigh harm that is found later', () => {
    const state = foldLook(startEvidence({ ...spec, groups: [['bedrock']] }), look(1, 5000, 150, 142));
    expect(verdictAfter(foldLook(state, look(2, 5000, 300, 60)))).toBe('fail');
  });
});
