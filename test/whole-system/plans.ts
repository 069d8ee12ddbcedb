import fc from 'fast-check';
import type { JsonObject } from '#libs/kernel';
import { GOLDEN } from './setting.js';

const seldom = fc.integer({ min: 0, max: 7 }).map((n) => n === 7);
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
const onFail = fc.constantFrom('hold', 'roll-back', 'warn', 'roll-back', undefined);
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

/** A plan as its manifest says it. */
export const plan: fc.Arbitrary<JsonObject> = fc
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
    const leftovers = drawn.drain === '3s' ? 'clear' : 'wait';
    return {
      ...drawn,
      leftovers,
      ...optional('acceptBlind', acceptBlind),
      ...(isAllAtOnce ? { holdback: '10%' } : {}),
    };
  });
