import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aSignal, SOME_SIGNALS } from '#libs/testing';
import type { Look } from '../gate/index.js';
import { backtest, type JudgingPlan, type TimedKeptLook } from './backtest.js';

const CATALOGUE = [
  ...SOME_SIGNALS,
  { signal: 'first-token', title: 'time to first token', type: 'distribution' as const },
  {
    signal: 'gateway-errors',
    title: 'errors at the gateway',
    type: 'rate' as const,
    source: { type: 'otlp' } as never,
  },
];
const NAMES = ['script-errors', 'wrong-pool', 'first-token', 'gateway-errors'];

const fleet = Array.from({ length: 16 }, (_, i) => `i${i}`);
const storyOf = (assignment: 'unit' | 'instance' = 'unit') =>
  aRollout(aPlan({ signals: NAMES.map((each) => aSignal(each)) }, { signals: CATALOGUE }), {
    assignment,
    instances: { 'api-us': fleet, 'api-eu': fleet, 'bedrock-us': fleet },
  });

type Cells = readonly Partial<Look['cells'][number]>[];

const looksOf = (story: ReturnType<typeof storyOf>, ...all: readonly Cells[]): readonly TimedKeptLook[] =>
  all.map((cells, n) => ({
    look: n + 1,
    at: story.now + n * 1e3,
    digest: '',
    cells: JSON.stringify(
      cells.map((cell) => ({
        target: 'api-us',
        model: 'sonnet',
        shareBp: 1e3,
        candidateBad: 0,
        controlBad: 0,
        ...cell,
      })),
    ),
  }));

const judging = (...signals: readonly Partial<JudgingPlan['signals'][number]>[]): JudgingPlan => ({
  alpha: 0.001,
  signals: signals.map((each) => ({ signal: '', harm: 1, weight: 1, shadow: false, ...each })),
});

const run = (cells: readonly Cells[], plan: JudgingPlan, assignment: 'unit' | 'instance' = 'unit') => {
  const story = storyOf(assignment);
  const events = story.events.map((event) => ({ position: event.position, at: event.at, event }));
  return backtest(events, looksOf(story, ...cells), plan);
};

const errors: Cells = [{ signal: 'script-errors', candidateBad: 30, controlBad: 0 }];
const counted: Cells = [
  { signal: 'gateway-errors', candidateBad: 60, controlBad: 5, candidateRequests: 100, controlRequests: 900 },
];

describe('A plan that is tried on what was recorded', () => {
  it('stops what its signal fails on, and says where and by what', () => {
    const { wouldStop, wouldHold } = run([[], errors], judging({ signal: 'script-errors' }));
    expect(wouldStop).toMatchObject({ signal: 'script-errors', stages: ['api/1%'], candidate: 30, control: 0 });
    expect(wouldHold).toEqual([]);
  });

  it('holds and does not stop where its onFail says so, and may stop later by another signal', () => {
    const holds = { signal: 'script-errors', onFail: 'hold' } as const;
    expect(run([errors], judging(holds))).toMatchObject({ wouldStop: null, wouldHold: ['script-errors'] });
    const violation: Cells = [{ signal: 'wrong-pool', candidateBad: 1 }];
    expect(run([errors, violation], judging(holds, { signal: 'wrong-pool' }))).toMatchObject({
      wouldStop: { signal: 'wrong-pool' },
      wouldHold: ['script-errors'],
    });
  });

  it('holds by what a source counts, and stops by it where the plan says so', () => {
    expect(run([counted], judging({ signal: 'gateway-errors' }))).toMatchObject({
      wouldStop: null,
      wouldHold: ['gateway-errors'],
    });
    expect(run([counted], judging({ signal: 'gateway-errors', onFail: 'roll-back' }))).toMatchObject({
      wouldStop: { signal: 'gateway-errors', candidate: 60, control: 5 },
    });
  });

  it('judges whole instances, of values as well, and counts what they measured', () => {
    const instances = Array.from({ length: 16 }, (_, i) => {
      const isChosen = i < 8;
      return [`i${i}`, isChosen ? 'chosen' : 'spared', 100, 100 * ((isChosen ? 8 : 6) + i / 100)] as const;
    });
    const drawn: Cells = [{ signal: 'first-token', shareBp: 5_000, drawn: 16, instances }];
    expect(
      run([drawn, drawn], { ...judging({ signal: 'first-token' }), alpha: 0.1 }, 'instance').wouldStop,
    ).toMatchObject({
      signal: 'first-token',
      candidate: 800,
      control: 800,
    });
  });

  it('says what is left out: limits, since requests are in no look, and signals that were not measured', () => {
    const { leftOut, unmeasured } = run(
      [counted],
      judging({ signal: 'gateway-errors', limit: 0.02 }, { signal: 'refusals-of-tools' }),
    );
    expect(leftOut).toEqual([{ signal: 'gateway-errors', what: 'limit' }]);
    expect(unmeasured).toEqual(['refusals-of-tools']);
  });
});
