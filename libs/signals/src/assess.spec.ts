import { describe, expect, it } from 'vitest';
import { assess } from './assess.js';
import { badOf, batchOf, exposureOf, NOON, ToldExposures, windowOf, type WindowInput } from './spec-kit.js';

const exposures = new ToldExposures();
exposures.tell('api-tpu', 'router', 10, exposureOf('rollout-1', 1_000));
exposures.tell('api-tpu', 'sampling', 10, exposureOf('rollout-2', 500, { assignment: 'request' }));

const rejectedOf = (batch: Parameters<typeof assess>[0]) =>
  assess(batch, 'reporter', NOON, exposures).rejected.map(({ pointer, code }) => `${pointer} ${code}`);

describe('a window that names the signals it measured', () => {
  const arms = [
    { config: 'router', revision: 2, requests: 4 },
    { config: 'sampling', revision: 1, requests: 6 },
  ];

  it('leaves its requests out of what the other signals of the plan are judged on', () => {
    const { facts } = assess(batchOf([{ arms, signals: ['script-error', 'misrouted'] }]), 'reporter', NOON, exposures);
    expect(facts.unmeasured).toMatchObject([
      { rollout: 'rollout-1', signal: 'refusal', arm: 'candidate', requests: 4 },
      { rollout: 'rollout-2', signal: 'refusal', arm: 'control', requests: 6 },
    ]);
    expect(facts.requestCells.map(({ signal }) => signal)).toEqual(['script-error', 'misrouted']);
    expect(facts.measured.map(({ signal }) => signal)).toEqual(['+', 'script-error', 'misrouted']);
    expect(facts.traffic).toMatchObject([{ requests: 100 }]);
  });

  it('measured what it found bad, named or not: no bad outcome is lost', () => {
    const batch = batchOf([{ arms, signals: ['misrouted'], bad: [badOf('u1', 2, 'refusal')] }]);
    const { facts } = assess(batch, 'reporter', NOON, exposures);
    expect(facts.unmeasured.map(({ signal }) => signal)).toEqual(['script-error', 'script-error']);
    expect(facts.unitBad).toMatchObject([{ slice: { signal: 'refusal' } }]);
  });

  it('rule 3: measured nothing of a signal of which it has a bad outcome that was refused, whether or not it names it', () => {
    const { unit: _, ...nobodys } = badOf('u1', 2);
    const of = (signals?: string[]) => {
      const batch = batchOf([{ arms, bad: [nobodys, badOf('u2', 2, 'refusal')], ...(signals ? { signals } : {}) }]);
      return assess(batch, 'reporter', NOON, exposures).facts;
    };
    for (const facts of [of(), of(['script-error', 'refusal', 'misrouted'])]) {
      expect(facts.measured.map(({ signal }) => signal)).toEqual(expect.arrayContaining(['+', 'refusal', 'misrouted']));
      expect(facts.measured.map(({ signal }) => signal)).not.toContain('script-error');
      expect(facts.unmeasured.filter(({ signal }) => signal === 'script-error')).toMatchObject([
        { arm: 'candidate', requests: 4 },
        { arm: 'control', requests: 6 },
      ]);
    }
  });

  it('is refused as a whole where more of it is bad than was served, unless it only tells of earlier requests', () => {
    const bad = Array.from({ length: 5 }, (_, n) => badOf(`u${n}`, 2));
    expect(rejectedOf(batchOf([{ requests: 4, bad }]))).toEqual(['/windows/0/bad more-bad-than-requests']);
    expect(rejectedOf(batchOf([{ requests: 5, bad }]))).toEqual([]);
    expect(rejectedOf(batchOf([{ requests: 0, bad }]))).toEqual([]);
  });

  it('takes a bad outcome without a unit where requests without a key are counted on control, and judges nothing by it', () => {
    const { unit: _, ...nobodys } = badOf('u1', 1);
    const keyless = (revision: number) => ({
      arms: [{ config: 'router', revision: 1, requests: 9, unassigned: 2 }],
      bad: [{ ...nobodys, revisions: { router: revision } }],
    });
    const { facts, rejected } = assess(batchOf([keyless(1)]), 'reporter', NOON, exposures);
    expect([rejected, facts.unitBad, facts.unmeasured]).toEqual([[], [], []]);
    expect(rejectedOf(batchOf([keyless(2)]))).toEqual(['/windows/0/bad/0/unit unit-required']);
  });

  it('counts a signal for a rollout as it was when that started, of whatever type it is now', () => {
    const changed = new ToldExposures();
    changed.tell(
      'api-tpu',
      'router',
      10,
      exposureOf('rollout-1', 1_000, { signals: new Set(['first-token']), values: new Map() }),
    );
    const bad = { signal: 'first-token', unit: 'u1', revisions: { router: 2 } };
    const { facts, rejected } = assess(
      batchOf([{ arms: arms.slice(0, 1), bad: [bad], signals: ['first-token'] }]),
      'reporter',
      NOON,
      changed,
    );
    expect(rejected).toEqual([]);
    expect(facts.unitBad).toMatchObject([{ slice: { signal: 'first-token' } }]);
    expect(facts.measured.map(({ signal }) => signal)).toEqual(['+', 'first-token']);
  });

  it('is told of a signal that is not registered, and the rest of it is kept', () => {
    const batch = batchOf([{ arms, signals: ['script-error', 'boredom'] }]);
    expect(rejectedOf(batch)).toEqual(['/windows/0/signals/1 unknown-signal']);
    expect(assess(batch, 'reporter', NOON, exposures).facts.measured.map(({ signal }) => signal)).toEqual([
      '+',
      'script-error',
    ]);
  });

  it('tells of every signal when it names none at all, and of no signal when its list is empty', () => {
    const { facts } = assess(batchOf([{ arms }]), 'reporter', NOON, exposures);
    expect([facts.unmeasured, facts.measured]).toMatchObject([[], [{ signal: '*' }]]);
    const nothing = assess(batchOf([{ arms, signals: [] }]), 'reporter', NOON, exposures).facts;
    expect([nothing.unmeasured.length, nothing.measured]).toMatchObject([6, [{ signal: '+' }]]);
  });

  it('measures values and pairs where there are some, whether or not it names them or has requests', () => {
    const score = { signal: 'score', value: 0.5, unit: 'u1', revisions: { router: 2 } };
    const of = (window: Parameters<typeof batchOf>[0][number]) =>
      assess(batchOf([window]), 'reporter', NOON, exposures).facts.measured.map(({ signal }) => signal);
    expect(of({ values: [score], requests: 0 })).toEqual(['score']);
    expect(of({ signals: ['score', 'script-error'] })).toEqual(['+', 'script-error']);
  });
});

describe('what is wrong in a batch is refused item by item', () => {
  it('refuses everything of a target that is not registered', () => {
    const result = assess(batchOf([{}, {}], { target: 'api-moon' }), 'reporter', NOON, exposures);
    expect(result.rejected.map((item) => item.pointer)).toEqual(['/target']);
    expect(result.acceptedWindows).toBe(0);
  });

  it('refuses the windows of an unknown model, an unknown generation or the future, and keeps the others', () => {
    const arms = [{ config: 'router', revision: 1, requests: 5 }];
    const late = new Date(NOON + 60_000).toISOString();
    const windows = [{ model: 'opus' }, { generation: 4_711, arms }, { from: late }, { arms }];
    const result = assess(batchOf(windows), 'reporter', NOON, exposures);
    expect(result.rejected.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/windows/0/model unknown-model',
      '/windows/1/generation unknown-generation',
      '/windows/2/from window-in-future',
    ]);
    expect(result.acceptedWindows).toBe(1);
  });

  it('accepts a window whose clock runs ahead by less than a minute, as one that ends now', () => {
    const from = new Date(NOON + 49_000).toISOString();
    const result = assess(batchOf([{ from }]), 'reporter', NOON, exposures);
    expect(result.rejected).toEqual([]);
    expect(result.facts.traffic).toMatchObject([{ firstAt: NOON - 10_000, lastAt: NOON }]);
  });

  it('refuses arms of configs and revisions that do not exist, or that the generation did not serve', () => {
    const arms = [
      { config: 'router', revision: 2, requests: 5 },
      { config: 'tone', revision: 1, requests: 5 },
      { config: 'router', revision: 6, requests: 5 },
      { config: 'router', revision: 3, requests: 5 },
    ];
    expect(rejectedOf(batchOf([{ arms }]))).toEqual([
      '/windows/0/arms/1/config unknown-config',
      '/windows/0/arms/2/revision unknown-revision',
      '/windows/0/arms/3/revision arm-mismatch',
    ]);
  });

  it('refuses bad outcomes of unknown signals, without the unit that is needed, or with a revision that was not served', () => {
    const bad: WindowInput['bad'] = [
      badOf('u1', 2),
      badOf('u1', 2, 'boredom'),
      { signal: 'script-error', revisions: { router: 2 } },
      badOf('u1', 4),
      { signal: 'script-error', revisions: { sampling: 2 } },
      { signal: 'misrouted', revisions: { router: 2 } },
      { signal: 'latency', revisions: { router: 2 } },
    ];
    expect(rejectedOf(batchOf([{ bad }]))).toEqual([
      '/windows/0/bad/1/signal unknown-signal',
      '/windows/0/bad/2/unit unit-required',
      '/windows/0/bad/3/revisions/router arm-mismatch',
    ]);
  });

  it('refuses ids that the database cannot hold, and only the items that carry them', () => {
    const arms = [{ config: 'router', revision: 2, requests: 5, units: ['a\u0000b'] }];
    const bad = [badOf('a\u0000b', 2), { ...badOf('u1', 2), request: '\ud800' }, badOf('u2', 2)];
    expect(rejectedOf(batchOf([{ arms, bad }]))).toEqual([
      '/windows/0/bad/0/unit invalid-characters',
      '/windows/0/bad/1/request invalid-characters',
      '/windows/0/arms/0/units invalid-characters',
    ]);
    expect(rejectedOf(batchOf([{}], { instance: 'tpu\u0000' }))).toEqual(['/instance invalid-characters']);
  });

  it('says in each refusal what to do next', () => {
    const [refusal] = assess(batchOf([windowOf({ model: 'opus' })]), 'reporter', NOON, exposures).rejected;
    expect(refusal?.detail).toBe(
      "Target api-tpu does not serve the model opus: add it to the target's manifest or correct the name.",
    );
  });
});

describe('what counts for a rollout', () => {
  it('takes one bad outcome as evidence of every rollout it was served under', () => {
    const bad = [{ signal: 'script-error', unit: 'u1', revisions: { router: 2, sampling: 1 } }];
    const { facts } = assess(batchOf([{ bad }]), 'reporter', NOON, exposures);
    expect(facts.unitBad).toMatchObject([{ slice: { rollout: 'rollout-1', arm: 'candidate', shareBp: 1_000 } }]);
    expect(facts.requestCells).toMatchObject([{ rollout: 'rollout-2', candidateBad: 0, controlBad: 1, shareBp: 500 }]);
    expect(facts.trafficBad).toHaveLength(1);
  });

  it('leaves a unit uncounted where nobody can be on the candidate, so that its coin still counts elsewhere', () => {
    const told = new ToldExposures();
    told.tell('api-tpu', 'router', 10, exposureOf('rollout-1', 0));
    const { facts } = assess(batchOf([{ bad: [badOf('u1', 1)] }]), 'reporter', NOON, told);
    expect(facts.unitBad).toEqual([]);
    expect(facts.trafficBad).toHaveLength(1);
  });

  it('counts a violation as a rate as well, because that is what judges it once control violates it too', () => {
    const bad: WindowInput['bad'] = [
      badOf('u1', 2, 'misrouted'),
      { signal: 'misrouted', unit: 'u2', revisions: { sampling: 1 } },
      { signal: 'misrouted', revisions: { router: 1 } },
    ];
    const { facts } = assess(batchOf([{ bad }]), 'reporter', NOON, exposures);
    expect(facts.violations).toHaveLength(3);
    expect(facts.unitBad).toMatchObject([{ slice: { rollout: 'rollout-1', signal: 'misrouted', arm: 'candidate' } }]);
    expect(facts.requestCells).toMatchObject([{ rollout: 'rollout-2', signal: 'misrouted', controlBad: 1 }]);
  });

  it('takes signals that the plan does not name as background only', () => {
    const { facts } = assess(batchOf([{ bad: [badOf('u1', 2, 'latency')] }]), 'reporter', NOON, exposures);
    expect([facts.unitBad, facts.violations, facts.trafficBad.length]).toEqual([[], [], 1]);
  });
});

describe('a unit on an arm that its coin does not put it on', () => {
  class Coins extends ToldExposures {
    override coin = (_: unknown, unit: string) =>
      unit.startsWith('c') ? ('candidate' as const) : ('control' as const);
  }
  const coins = new Coins();
  coins.tell('api-tpu', 'router', 10, exposureOf('rollout-1', 1_000));
  const arms = [{ config: 'router', revision: 2, requests: 4, units: ['c1', 'k1', 'c2'] }];
  const assessed = (window: WindowInput) => assess(batchOf([window]), 'reporter', NOON, coins);

  it('is refused by itself, with what to do, and proves no activation', () => {
    const { facts, rejected } = assessed({ arms });
    expect(facts.units.map(({ unit }) => unit)).toEqual(['c1', 'c2']);
    expect(rejected).toMatchObject([{ pointer: '/windows/0/arms/0/units/1', code: 'arm-does-not-fit-unit' }]);
    expect(rejected[0]?.detail).toContain('on control of router under generation 10');
  });

  it('is no bad outcome, and leaves its signal unmeasured in the window: nobody knows whose it was', () => {
    const { facts, rejected } = assessed({ arms, bad: [badOf('k1', 2), badOf('c1', 2), badOf('k2', 1)] });
    expect(rejected.map(({ pointer }) => pointer)).toContain('/windows/0/bad/0/unit');
    expect(facts.unitBad.map(({ unit, slice }) => [unit, slice.arm])).toEqual([
      ['c1', 'candidate'],
      ['k2', 'control'],
    ]);
    expect(facts.unmeasured.map(({ signal }) => signal)).toContain('script-error');
  });

  it('gives no value', () => {
    const revisions = { router: 2 };
    const values = ['k1', 'c1'].map((unit) => ({ signal: 'score', value: 0.5, unit, revisions }));
    const { facts, rejected } = assessed({ values });
    expect(rejected).toMatchObject([{ pointer: '/windows/0/values/0/unit', code: 'arm-does-not-fit-unit' }]);
    expect(facts.unitValues.map(({ unit }) => unit)).toEqual(['c1']);
  });
});

describe('a signal that its source counts', () => {
  const counted = new Map([['timeouts', null]]);
  const told = new ToldExposures();
  told.tell('api-tpu', 'router', 10, exposureOf('rollout-1', 1_000, { counted }));
  told.tell('api-tpu', 'router', 5, exposureOf('rollout-0', 1_000, { signals: new Set(['timeouts']) }));
  const assessed = (window: WindowInput) => assess(batchOf([window]), 'reporter', NOON, told);
  const arms = [{ config: 'router', revision: 2, requests: 4 }];
  const value = { signal: 'duration', value: 12, unit: 'u1', revisions: { router: 2 } };

  it('is not taken as outcomes, and the refusal says what counts it', () => {
    const window = { arms, signals: ['timeouts'], bad: [badOf('u1', 2, 'timeouts'), badOf('u2', 2)], values: [value] };
    const { rejected, facts } = assessed(window);
    expect(rejected.map(({ pointer, code }) => `${pointer} ${code}`)).toEqual([
      '/windows/0/bad/0/signal counted-by-source',
      '/windows/0/values/0/signal counted-by-source',
      '/windows/0/signals/0 counted-by-source',
    ]);
    expect(rejected[0]?.detail).toContain('timeouts is counted by its source (otlp)');
    expect(facts.unitBad).toMatchObject([{ slice: { signal: 'script-error' } }]);
    expect(facts.trafficBad).toMatchObject([{ signal: 'script-error' }]);
  });

  it('leaves windows that say nothing of it whole: they measured all that comes as outcomes', () => {
    const { facts } = assessed({ arms, bad: [badOf('u1', 2, 'timeouts')] });
    expect(facts.measured.map(({ signal }) => signal)).toEqual(['*']);
    expect(facts.unmeasured).toEqual([]);
  });

  it('is taken as before for a rollout that was started when it came as outcomes', () => {
    const { rejected, facts } = assessed({
      generation: 5,
      arms,
      signals: ['timeouts'],
      bad: [badOf('u1', 2, 'timeouts')],
    });
    expect(rejected).toEqual([]);
    expect(facts.unitBad).toMatchObject([{ slice: { rollout: 'rollout-0', signal: 'timeouts' } }]);
    expect(facts.measured.map(({ signal }) => signal)).toContain('timeouts');
  });
});
