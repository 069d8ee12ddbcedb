import fc from 'fast-check';
import type { JsonObject } from '#libs/kernel';
import { plan } from './plans.js';

/** What can be wrong with a target, seen from a controller. */
export const TARGET_FAULTS = [
  'refuses',
  'does not answer',
  'forgets to answer',
  'answers later',
  'is busy',
  'is slow',
] as const;
export type TargetFault = (typeof TARGET_FAULTS)[number];

/** What a person does with a rollout. */
const STEERING = ['pause', 'pause for a while', 'resume', 'abort', 'promote', 'promote what was seen'] as const;

/** Numbers name things by their place in a list, counted round: a run stays playable when steps are left out. */
export type Step =
  /** Time passes, fleets serve; then all that can be done is done. */
  | { readonly do: 'go on'; readonly ms: number }
  /** Time passes in the middle of whatever is being done. */
  | { readonly do: 'wait'; readonly ms: number }
  /** So many turns are taken, and no more. */
  | { readonly do: 'work'; readonly turns: number }
  | { readonly do: 'propose'; readonly config: number }
  | {
      readonly do: 'start';
      readonly config: number;
      readonly plan: number;
      readonly back: number;
      readonly isTwice: boolean;
    }
  | {
      readonly do: 'steer';
      readonly how: (typeof STEERING)[number];
      readonly rollout: number;
      readonly ms: number;
      readonly isTwice: boolean;
    }
  /** Another revision is started where one is being watched. */
  | { readonly do: 'supersede'; readonly back: number; readonly isTwice: boolean }
  | { readonly do: 'undo'; readonly config: number; readonly isNamed: boolean }
  | { readonly do: 'abandon'; readonly rollout: number; readonly target: number }
  /** The newest revision of a config, or the one that runs, is bad on some targets. */
  | { readonly do: 'break'; readonly config: number; readonly signal: number; readonly target: number | null }
  | { readonly do: 'target'; readonly target: number; readonly fault: TargetFault | null }
  | { readonly do: 'instance'; readonly instance: number; readonly fate: 'dies' | 'returns' | 'lags' | 'forgets' }
  | { readonly do: 'outcomes'; readonly target: number; readonly fate: 'silent' | 'late' | 'prompt' }
  /** What exporters on a target do, where there are any. */
  | { readonly do: 'metrics'; readonly target: number; readonly fate: 'silent' | 'late' | 'prompt' }
  /** One signal is not measured on a target any more; null: all of them are again. */
  | { readonly do: 'blind'; readonly target: number; readonly signal: number | null }
  /** Time passes, and it dies when so many turns of the work that comes then have been taken. */
  | { readonly do: 'kill'; readonly controller: number; readonly ms: number; readonly turns: number }
  | { readonly do: 'revive'; readonly controller: number }
  /** Its wake-ups are lost: it learns of nothing until it hears again. */
  | { readonly do: 'deafen'; readonly controller: number }
  | { readonly do: 'hear'; readonly controller: number }
  | { readonly do: 'clock'; readonly controller: number; readonly ms: number }
  /** The next so many writes fail, done or not. */
  | { readonly do: 'trouble'; readonly writes: number; readonly isDone: boolean };

/** One run of the whole system. The same run gives the same history. */
export type Run = {
  /** Clock of each controller against the world's, in ms: as many controllers. */
  readonly clocksMs: readonly number[];
  readonly plans: readonly JsonObject[];
  readonly steps: readonly Step[];
  /** Decides who goes first, what fails and which requests are bad. */
  readonly luck: number;
  /** Targets that stay down for a while after all others are well again. */
  readonly lastDown: readonly number[];
};

const few = fc.nat(7);
const ms = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1_000, max: 3_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 600 }) },
  { weight: 1, arbitrary: fc.integer({ min: 5_000, max: 20_000 }) },
);

const weighted = (weight: number, arbitrary: fc.Arbitrary<Step>) => ({ weight, arbitrary });
const a = <D extends Step['do']>(what: D) => fc.constant(what);

const step: fc.Arbitrary<Step> = fc.oneof(
  weighted(30, fc.record({ do: a('go on'), ms })),
  weighted(6, fc.record({ do: a('wait'), ms })),
  weighted(8, fc.record({ do: a('work'), turns: fc.integer({ min: 1, max: 60 }) })),
  weighted(3, fc.record({ do: a('propose'), config: few })),
  weighted(6, fc.record({ do: a('start'), config: few, plan: few, back: fc.nat(2), isTwice: fc.boolean() })),
  weighted(
    6,
    fc.record({
      do: a('steer'),
      how: fc.constantFrom(...STEERING),
      rollout: few,
      ms: fc.nat(9_000),
      isTwice: fc.boolean(),
    }),
  ),
  weighted(3, fc.record({ do: a('supersede'), back: fc.nat(2), isTwice: fc.boolean() })),
  weighted(2, fc.record({ do: a('undo'), config: few, isNamed: fc.boolean() })),
  weighted(2, fc.record({ do: a('abandon'), rollout: few, target: few })),
  weighted(3, fc.record({ do: a('break'), config: few, signal: few, target: fc.option(few, { nil: null }) })),
  weighted(
    6,
    fc.record({
      do: a('target'),
      target: few,
      fault: fc.constantFrom(...TARGET_FAULTS, 'is slow' as const, 'is slow' as const, null, null, null),
    }),
  ),
  weighted(
    3,
    fc.record({
      do: a('instance'),
      instance: fc.nat(10),
      fate: fc.constantFrom('dies' as const, 'returns' as const, 'lags' as const, 'forgets' as const),
    }),
  ),
  weighted(
    2,
    fc.record({
      do: a('outcomes'),
      target: few,
      fate: fc.constantFrom('silent' as const, 'late' as const, 'prompt' as const),
    }),
  ),
  weighted(
    2,
    fc.record({
      do: a('metrics'),
      target: few,
      fate: fc.constantFrom('silent' as const, 'late' as const, 'prompt' as const),
    }),
  ),
  weighted(2, fc.record({ do: a('blind'), target: few, signal: fc.option(few, { nil: null }) })),
  weighted(5, fc.record({ do: a('kill'), controller: few, ms, turns: fc.nat(50) })),
  weighted(4, fc.record({ do: a('revive'), controller: few })),
  weighted(1, fc.record({ do: a('deafen'), controller: few })),
  weighted(1, fc.record({ do: a('hear'), controller: few })),
  weighted(1, fc.record({ do: a('clock'), controller: few, ms: fc.integer({ min: -4_000, max: 4_000 }) })),
  weighted(2, fc.record({ do: a('trouble'), writes: fc.integer({ min: 1, max: 3 }), isDone: fc.boolean() })),
);

const controllers = fc.array(fc.integer({ min: -4_000, max: 4_000 }), { minLength: 2, maxLength: 3 });

/** A change that goes well, or badly, for a while, and then whatever comes. */
const opening = fc
  .record({
    config: fc.nat(2),
    plan: fc.nat(1),
    well: fc.nat(6),
    ms: fc.integer({ min: 1_500, max: 2_500 }),
    bad: fc.option(few, { nil: null }),
  })
  .map(({ config, plan: chosen, well, ms: each, bad }): Step[] => [
    { do: 'start', config, plan: chosen, back: 0, isTwice: false },
    ...(bad === null || bad > 6 ? [] : [{ do: 'break', config, signal: bad, target: null } as const]),
    ...Array.from({ length: well }, (): Step => ({ do: 'go on', ms: each })),
  ]);

export const runs: fc.Arbitrary<Run> = fc
  .record({
    clocksMs: controllers,
    plans: fc.tuple(plan, plan),
    openings: fc.array(opening, { minLength: 1, maxLength: 2 }),
    steps: fc.array(step, { minLength: 3, maxLength: 24, size: 'max' }),
    luck: fc.nat(999_999_999),
    lastDown: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(few, { minLength: 1, maxLength: 2 }) },
    ),
  })
  .map(({ openings, steps, ...run }) => ({ ...run, steps: [...openings.flat(), ...steps] }));
