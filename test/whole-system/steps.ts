import fc from 'fast-check';
import type { JsonObject } from '#libs/kernel';
import { GOLDEN } from './setting.js';

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
const seldom = fc.integer({ min: 0, max: 7 }).map((n) => n === 7);

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

const bake = fc.constantFrom('0s', '1s', '3s');
const stage = (exposure: string) =>
  fc.record({
    exposure: fc.constant(exposure),
    bake,
    activation: fc.constantFrom(0, 1, 3),
    samples: fc.constantFrom(0, 0, 20),
  });
const stages = (first: string) =>
  fc.subarray(['10%', '30%', '50%']).chain((middle) => fc.tuple(...[...middle, first].map(stage)));

const tolerate = fc.constantFrom<readonly ('none' | number)[]>(['none'], ['none'], ['none'], [3], []);
const missing = fc.constantFrom('hold', 'hold', 'hold', 'hold', 'warn', 'roll-back');
const onFail = fc.constantFrom('hold', 'roll-back', 'warn', undefined, undefined);
const optional = (name: string, value: unknown): JsonObject => (value === undefined ? {} : { [name]: value as string });

/** What a plan says of one signal more, if it has it. */
const more = (signal: string, weight: number, others: fc.Arbitrary<JsonObject> = fc.constant({})) =>
  fc
    .record({ isIn: fc.nat(7).map((n) => n >= 8 - weight), missing, onFail, isShadow: seldom, others })
    .map(({ isIn, isShadow, others: rest, ...policy }): JsonObject[] =>
      isIn
        ? [
            {
              signal,
              tolerate: 'none',
              shadow: isShadow,
              missing: policy.missing,
              ...optional('onFail', policy.onFail),
              ...rest,
            },
          ]
        : [],
    );

const limit = (most: number) => fc.option(fc.constant(most), { nil: undefined }).map((n) => optional('limit', n));

const COUNTED_BY_PLANS = [
  more('timeouts', 6, limit(0.2)),
  more('overloads', 3, limit(0.1)),
  more('first-token', 3, limit(900)),
] as const;

const signals = fc
  .record({
    script: tolerate,
    refusals: seldom,
    isShadow: fc.boolean(),
    pool: fc.boolean(),
    missing,
    without: missing,
    onFail: fc.constantFrom(undefined, undefined, undefined, undefined, 'hold', 'warn'),
    late: more('complaints', 2),
    isMetered: fc.nat(4).map((n) => n === 0),
    counted: fc.tuple(...COUNTED_BY_PLANS),
  })
  .map(({ script: [asked], refusals, isShadow, pool, late, isMetered, counted, ...policy }): JsonObject[] => [
    {
      signal: 'script-errors',
      missing: policy.missing,
      ...optional('onFail', policy.onFail),
      ...optional('tolerate', asked),
    },
    ...(refusals ? [{ signal: 'refusals', tolerate: 'none', shadow: isShadow, missing: policy.without }] : []),
    ...(pool ? [{ signal: 'wrong-pool', missing: policy.without, grace: '12s' }] : []),
    ...late,
    ...(isMetered ? counted.flat() : []),
  ]);

const PLATFORMS = ['api', 'bedrock', 'vertex'];
const track = (name: string, after: string | undefined, own: readonly JsonObject[]): JsonObject => ({
  name,
  targets: name === 'all' ? ['api-us', 'api-eu', 'bedrock-us', 'vertex-eu'] : { platform: name },
  stages: own,
  ...(after === undefined ? {} : { after }),
});

/** One after the other, side by side, only some of them, or everything at once. */
const tracks: fc.Arbitrary<JsonObject[]> = fc
  .record({
    shape: fc.constantFrom('in a row', 'side by side', 'after the first', 'all', 'after parity'),
    platforms: fc.subarray(PLATFORMS, { minLength: 1 }),
    own: fc.tuple(stages('100%'), stages('100%'), stages('100%')),
    isEarly: fc.boolean(),
  })
  .map(({ shape, platforms, own, isEarly }) => {
    if (shape === 'after parity') {
      const parity = [{ signal: GOLDEN, between: ['api', 'bedrock'], within: '5%' }];
      const after = isEarly ? `api/${own[0][0]?.exposure ?? '100%'}` : undefined;
      return [
        track('api', undefined, own[0]),
        track('bedrock', undefined, own[1]),
        { ...track('vertex', after, own[2]), parity },
      ];
    }
    if (shape === 'all') return [track('all', undefined, own[0])];
    return platforms.map((platform, index) => {
      const other = shape === 'side by side' ? -1 : shape === 'in a row' ? index - 1 : Math.min(0, index - 1);
      const [begins] = own[other] ?? [];
      const before = other < 0 ? undefined : platforms[other];
      const after = before !== undefined && isEarly && begins ? `${before}/${begins.exposure}` : before;
      return track(platform, after, own[index] ?? own[0]);
    });
  });

const seconds = (most: number) => fc.integer({ min: 1, max: most }).map((n) => `${n}s`);

const plan: fc.Arbitrary<JsonObject> = fc
  .record({
    alpha: fc.constantFrom(0.1, 0.05),
    holdback: fc.constantFrom('20%', '10%', '10%', '0%'),
    holdbackReason: fc.constant('as drawn'),
    watch: fc.oneof({ weight: 3, arbitrary: seconds(3) }, { weight: 2, arbitrary: seconds(15) }),
    drain: seconds(3),
    grace: fc.integer({ min: 12, max: 20 }).map((n) => `${n}s`),
    rollbackScope: fc.constantFrom('rollout', 'rollout', 'track'),
    // Few instances can hardly tell, and a plan has to say that this is borne.
    acceptBlind: fc.constantFrom('as drawn', 'as drawn', 'as drawn', undefined),
    signals,
    tracks,
  })
  // A plan that begins with everything needs a holdback, or it is refused.
  .map(({ acceptBlind, ...drawn }): JsonObject => {
    const isAllAtOnce = JSON.stringify(drawn.tracks).includes('"stages":[{"exposure":"100%"');
    return { ...drawn, ...optional('acceptBlind', acceptBlind), ...(isAllAtOnce ? { holdback: '10%' } : {}) };
  });

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
    steps: fc.array(step, { minLength: 5, maxLength: 40, size: 'max' }),
    luck: fc.nat(999_999_999),
    lastDown: fc.oneof(
      { weight: 2, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(few, { minLength: 1, maxLength: 2 }) },
    ),
  })
  .map(({ openings, steps, ...run }) => ({ ...run, steps: [...openings.flat(), ...steps] }));
