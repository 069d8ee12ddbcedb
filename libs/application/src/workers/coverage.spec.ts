import { describe, expect, it } from 'vitest';
import { aPlan, aRollout, aSignal, SOME_SIGNALS } from '#libs/testing';
import type { Span, TargetSeen } from '../ports.js';
import { coveredSpan, unmeasuredSince } from './coverage.js';

const HOUR = 3_600_000;
const NOW = 10 * HOUR;
const LATE = SOME_SIGNALS.map((each) => (each.signal === 'script-errors' ? { ...each, delay: 2 * HOUR } : each));
const { rollout } = aRollout(aPlan({ signals: [aSignal('wrong-pool'), aSignal('script-errors')] }, { signals: LATE }));

const seen = (measured: Readonly<Record<string, Span>>): ReadonlyMap<string, TargetSeen> =>
  new Map([['api-us', { target: 'api-us', candidateAt: NOW, anyAt: NOW, flowingSince: 0, measured }]]);
const upTo = (until: number): Span => ({ from: 0, until });
const missing = (measured: Readonly<Record<string, Span>>): readonly string[] =>
  unmeasuredSince(rollout, ['api-us'], seen(measured), 0, () => false).map(({ signal }) => signal);

describe('A signal that is known up to two hours after its requests', () => {
  const both = (late: number, other = NOW) => ({
    '+': upTo(NOW),
    'wrong-pool': upTo(other),
    'script-errors': upTo(late),
  });

  it('is not missing within that time, and is afterwards', () => {
    expect(missing(both(NOW - 2 * HOUR))).toEqual([]);
    expect(missing(both(NOW - 2 * HOUR - 1))).toEqual(['script-errors']);
  });

  it('does not let a bake stand still meanwhile', () => {
    expect(coveredSpan(rollout, ['api-us'], seen(both(NOW - 2 * HOUR)), 0)?.until).toBe(NOW);
    expect(coveredSpan(rollout, ['api-us'], seen(both(NOW - 3 * HOUR)), 0)?.until).toBe(NOW - HOUR);
  });

  it('does not keep a bake going when nothing else is measured', () => {
    expect(coveredSpan(rollout, ['api-us'], seen(both(NOW, NOW - HOUR)), 0)?.until).toBe(NOW - HOUR);
    const alone = aRollout(aPlan({ signals: [aSignal('script-errors')] }, { signals: LATE })).rollout;
    const silent = { '+': upTo(NOW - HOUR), 'script-errors': upTo(NOW - HOUR) };
    expect(coveredSpan(alone, ['api-us'], seen(silent), 0)?.until).toBe(NOW - HOUR);
  });
});
