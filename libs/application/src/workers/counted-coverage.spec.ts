import { aPlan, aRollout, aSignal, SOME_SIGNALS } from '#libs/testing';
import type { Rollout } from '#libs/domain';
import { describe, expect, it } from 'vitest';
import type { TargetSeen } from '../ports.js';
import { armlessBy, coveredSpan, unmeasuredSince as unmeasuredBy, type Armless } from './coverage.js';

const NOON = Date.parse('2025-09-01T12:00:00.000Z');
const MINUTE = 60_000;

/** A rollout whose `timeouts` a source counts, beside script errors that come as outcomes. */
const rolloutOf = (missing: 'hold' | 'warn' = 'hold'): Rollout => {
  const signals = [aSignal('script-errors'), aSignal('timeouts', { missing })];
  const source = { type: 'otlp' };
  const known = [...SOME_SIGNALS, { signal: 'timeouts', type: 'rate', title: 'timeouts', source }] as const;
  return aRollout(aPlan({ signals, grace: 3 * MINUTE }, { signals: known })).rollout;
};
const seen = (measured: TargetSeen['measured']): ReadonlyMap<string, TargetSeen> =>
  new Map([['api-us', { target: 'api-us', candidateAt: NOON, anyAt: NOON, flowingSince: undefined, measured }]]);
const unmeasuredSince = (
  rollout: Rollout,
  targets: readonly string[],
  there: ReadonlyMap<string, TargetSeen>,
  since: number,
  isArmless: Armless = () => false,
) => unmeasuredBy(rollout, targets, there, since, isArmless);
const span = (fromMinutes: number, untilMinutes: number) => ({
  from: NOON + fromMinutes * MINUTE,
  until: NOON + untilMinutes * MINUTE,
});

describe('a signal that a source counts', () => {
  it('rule 3: is not measured by outcomes, also where they name no signals', () => {
    expect(coveredSpan(rolloutOf(), ['api-us'], seen({ '*': span(-9, 0) }), 0)).toBeUndefined();
    expect(unmeasuredSince(rolloutOf(), ['api-us'], seen({ '*': span(-9, 0) }), NOON - 5 * MINUTE)).toEqual([
      { target: 'api-us', signal: 'timeouts', ms: 5 * MINUTE },
    ]);
  });

  it('has to flow for the bake to go on, as outcomes have to', () => {
    const both = seen({ '*': span(-9, 0), timeouts: span(-7, -1) });
    expect(coveredSpan(rolloutOf(), ['api-us'], both, 0)).toEqual(span(-7, -1));
    expect(coveredSpan(rolloutOf('warn'), ['api-us'], both, 0)).toEqual(span(-9, 0));
  });

  it('rule 3: is missing until its first counts of the stage came from each target, with and without other requests', () => {
    const entered = NOON - 2 * MINUTE;
    const before = { '*': span(-9, 0), timeouts: span(-9, -3) };
    expect(unmeasuredSince(rolloutOf(), ['api-us'], seen(before), entered)).toMatchObject([{ signal: 'timeouts' }]);
    expect(unmeasuredSince(rolloutOf(), ['api-us'], new Map(), entered)).toEqual([
      { target: 'api-us', signal: 'timeouts', ms: 0 },
    ]);
    expect(unmeasuredSince(rolloutOf(), ['api-us'], seen({ ...before, timeouts: span(-9, -1) }), entered)).toEqual([]);
    // What may be missing keeps nobody waiting: of an emergency nothing else is asked.
    expect(unmeasuredSince(rolloutOf('warn'), ['api-us'], new Map(), entered)).toEqual([]);
  });

  it('may come as late as its grace: metrics are sent every minute or so', () => {
    const late = (minutes: number) => seen({ '*': span(-9, 0), timeouts: span(-9, -minutes) });
    expect(unmeasuredSince(rolloutOf(), ['api-us'], late(2), NOON - 9 * MINUTE)).toEqual([]);
    expect(unmeasuredSince(rolloutOf(), ['api-us'], late(4), NOON - 9 * MINUTE)).toMatchObject([
      { signal: 'timeouts' },
    ]);
  });

  it('rule 3: is missing while one of its arms never came, however much of the other one, or of something else, does', () => {
    const flowing = seen({ '*': span(-9, 0), timeouts: span(-9, 0) });
    const missing = (candidate: number, control: number, told: readonly string[]) => {
      const slice = { target: 'api-us', model: 'sonnet', signal: 'timeouts', shareBp: 9_000 };
      const isArmless = armlessBy({ samples: [{ ...slice, candidate, control }] }, told);
      return unmeasuredSince(rolloutOf(), ['api-us'], flowing, NOON - 5 * MINUTE, isArmless);
    };
    expect(missing(900, 100, ['timeouts'])).toEqual([]);
    expect(missing(900, 0, ['timeouts'])).toEqual([{ target: 'api-us', signal: 'timeouts', ms: 5 * MINUTE }]);
    expect(missing(0, 100, ['timeouts'])).toHaveLength(1);
    expect(missing(0, 0, [])).toHaveLength(1);
    // Of a source that names no arm nothing can come of control.
    expect(missing(900, 0, [])).toEqual([]);
  });
});
