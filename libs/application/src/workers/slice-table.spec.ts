import { describe, expect, it } from 'vitest';
import { SliceTable } from './slice-table.js';

const ratesOf = (...signals: readonly string[]) => signals.map((signal) => ({ signal, type: 'rate' as const }));
const served = (target: string, candidateRequests: number, controlRequests: number) => ({
  target,
  model: 'sonnet',
  candidateRequests,
  controlRequests,
  unassigned: 0,
});
const look = (number: number, cells: readonly [signal: string, target: string, bad: number][]) => ({
  rollout: 'r',
  look: number,
  at: 0,
  digest: '',
  cells: cells.map(([signal, target, bad]) => ({
    signal,
    target,
    model: 'sonnet',
    shareBp: 100,
    candidateBad: bad,
    controlBad: 2 * bad,
  })),
});

describe('what slices have counted', () => {
  it('adds up the bad outcomes of all looks for each signal, beside the newest requests', () => {
    const table = new SliceTable(ratesOf('errors', 'refusals'));
    table.addBad(look(1, [['errors', 'gpu', 1]]));
    table.setRequests({ slices: [served('gpu', 10, 90), served('tpu', 5, 45)], unmeasured: [], samples: [] });
    table.addBad(look(2, [['errors', 'gpu', 2]]));
    table.setRequests({ slices: [served('gpu', 20, 180), served('tpu', 5, 45)], unmeasured: [], samples: [] });
    expect(table.of('errors')).toMatchObject([
      { target: 'gpu', candidateBad: 3, controlBad: 6, candidateRequests: 20, controlRequests: 180 },
      { target: 'tpu', candidateBad: 0, controlBad: 0, candidateRequests: 5, controlRequests: 45 },
    ]);
    expect(table.of('refusals')).toMatchObject([{ candidateBad: 0, candidateRequests: 20 }, { candidateBad: 0 }]);
  });

  it('leaves the requests out in which a signal was not measured', () => {
    const table = new SliceTable(ratesOf('errors', 'refusals'));
    const blind = { signal: 'errors', target: 'gpu', model: 'sonnet', candidateRequests: 4, controlRequests: 40 };
    table.setRequests({ slices: [served('gpu', 10, 90)], unmeasured: [blind], samples: [] });
    expect(table.of('errors')).toMatchObject([{ candidateRequests: 6, controlRequests: 50 }]);
    expect(table.of('refusals')).toMatchObject([{ candidateRequests: 10, controlRequests: 90 }]);
  });

  it('names slices in the order of their names, in whatever order they came', () => {
    const table = new SliceTable(ratesOf('errors'));
    table.setRequests({ slices: [served('tpu', 1, 1)], unmeasured: [], samples: [] });
    expect(table.of('errors').map(({ target }) => target)).toEqual(['tpu']);
    table.addBad(look(1, [['errors', 'gpu', 1]]));
    expect(table.of('errors').map(({ target }) => target)).toEqual(['gpu', 'tpu']);
  });

  it('knows nothing of a signal that the plan does not have', () => {
    const table = new SliceTable(ratesOf('errors'));
    table.addBad(look(1, [['refusals', 'gpu', 1]]));
    expect(table.of('refusals')).toEqual([]);
  });
});

describe('what signals of values and of pairs have counted', () => {
  it('is what was measured of them, not the requests', () => {
    const table = new SliceTable([{ signal: 'score', type: 'mean' }, ...ratesOf('errors')]);
    const sampled = { signal: 'score', target: 'gpu', model: 'sonnet', candidate: 3, control: 27 };
    table.setRequests({ slices: [served('gpu', 10, 90)], unmeasured: [], samples: [sampled] });
    expect(table.of('score')).toMatchObject([{ candidateRequests: 3, controlRequests: 27 }]);
    expect(table.of('errors')).toMatchObject([{ candidateRequests: 10, controlRequests: 90 }]);
  });
});
