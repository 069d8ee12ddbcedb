import type { ErrorCode, EvaluationContext, JsonValue } from '@openfeature/server-sdk';
import type { JsonObject } from '#libs/kernel';

export type Kind = 'boolean' | 'string' | 'number' | 'object';

/** One evaluation by an official client: what is asked, and what comes back on either way. */
export type Case = {
  readonly says: string;
  readonly kind: Kind;
  readonly key: string;
  /** The code's default. */
  readonly fallback: JsonValue;
  /** Besides the targeting key. */
  readonly context?: EvaluationContext;
  readonly value: JsonValue;
  readonly reason: string;
  readonly variant?: string;
  readonly errorCode?: `${ErrorCode}`;
  /** Where evaluation by OFREP answers otherwise, and why. */
  readonly byOfrep?: Partial<Pick<Case, 'value' | 'reason' | 'errorCode'>> & { readonly because: string };
};

const flag = (variants: JsonObject, defaultVariant: string | null, over: JsonObject = {}): JsonObject => ({
  state: 'ENABLED',
  variants,
  ...(defaultVariant === null ? {} : { defaultVariant }),
  ...over,
});

/** The variant for everyone on this plan; null leaves it to the default. */
const forPlan = (plan: string, variant: string): JsonObject => ({
  targeting: { if: [{ '===': [{ var: 'plan' }, plan] }, variant, null] },
});

const POOLS = { pool: 'long', window: 200_000, spill: false };

/**
 * Flags of every type. Headgate itself only makes configs whose values are objects and whose only rules are splits; its
 * sync and its evaluator take whatever the format can say.
 */
export const FLAGS: JsonObject = {
  'cache-prompts': flag({ yes: true, no: false }, 'yes'),
  region: flag({ near: 'eu-west', far: 'us-east' }, 'near'),
  'batch-size': flag({ few: 3, many: 48 }, 'many'),
  temperature: flag({ cold: 0.25, warm: 0.75 }, 'warm'),
  pools: flag({ big: POOLS, none: {} }, 'big'),
  'log-nothing': flag({ off: false, on: true }, 'off'),
  suffix: flag({ empty: '', dot: '.' }, 'empty'),
  retries: flag({ never: 0, twice: 2 }, 'never'),
  penalty: flag({ zero: 0.0, half: 0.5 }, 'zero'),
  'extra-headers': flag({ none: {}, trace: { trace: 'on' } }, 'none'),
  'pro-stream': flag({ off: false, on: true }, 'on', forPlan('pro', 'off')),
  'pro-greeting': flag({ silent: '', hello: 'hello' }, 'hello', forPlan('pro', 'silent')),
  'pro-wait': flag({ none: 0, long: 30 }, 'long', forPlan('pro', 'none')),
  'pro-noise': flag({ none: 0.0, some: 0.125 }, 'some', forPlan('pro', 'none')),
  'pro-limits': flag({ none: {}, some: { rpm: 60 } }, 'some', forPlan('pro', 'none')),
  staff: flag({ inside: 'INSIDE', outside: 'OUTSIDE' }, 'outside', {
    targeting: {
      if: [
        { and: [{ '===': [{ var: 'role' }, 'staff'] }, { '>=': [{ var: 'level' }, 3] }, { '!': { var: 'guest' } }] },
        'inside',
        null,
      ],
    },
  }),
  described: flag({ yes: true, no: false }, 'yes', {
    metadata: { owner: 'serving', tier: 2, weight: 0.5, reviewed: true },
  }),
  'no-default': flag({ a: 'A', b: 'B' }, null, forPlan('pro', 'b')),
  'lost-variant': flag({ a: 'A' }, 'a', forPlan('pro', 'gone')),
  'turned-off': flag({ yes: true, no: false }, 'yes', { state: 'DISABLED' }),
};

const PRO = { plan: 'pro' };
const BASIC = { plan: 'basic' };

const resolved = (kind: Kind, key: string, fallback: JsonValue, value: JsonValue, variant: string): Case => ({
  says: `${key} is the value of its default variant`,
  kind,
  key,
  fallback,
  value,
  variant,
  reason: 'STATIC',
});

const SPLIT = { reason: 'SPLIT', because: 'rules of Headgate are splits, and OFREP has a word for them' };

const targeted = (kind: Kind, key: string, fallback: JsonValue, value: JsonValue, variant: string): Case => ({
  says: `${key} follows its rule, also to an empty value`,
  kind,
  key,
  fallback,
  value,
  variant,
  context: PRO,
  reason: 'TARGETING_MATCH',
  byOfrep: SPLIT,
});

const untargeted = (
  [kind, key, fallback]: readonly [Kind, string, JsonValue],
  value: JsonValue,
  variant: string,
  how: string,
  context: EvaluationContext = {},
): Case => ({
  says: `${key} is its default where its rule says nothing: ${how}`,
  kind,
  key,
  fallback,
  value,
  variant,
  context,
  reason: 'DEFAULT',
});

const RULED: readonly (readonly [readonly [Kind, string, JsonValue], JsonValue, string])[] = [
  [['boolean', 'pro-stream', false], true, 'on'],
  [['string', 'pro-greeting', 'x'], 'hello', 'hello'],
  [['number', 'pro-wait', 9], 30, 'long'],
  [['number', 'pro-noise', 0.9], 0.125, 'some'],
  [['object', 'pro-limits', { x: 1 }], { rpm: 60 }, 'some'],
];

const missing = (kind: Kind, fallback: JsonValue): Case => ({
  says: `a ${kind} that is not there is the code's default`,
  kind,
  key: 'never-made',
  fallback,
  value: fallback,
  reason: 'ERROR',
  errorCode: 'FLAG_NOT_FOUND',
});

const mismatch = (kind: Kind, key: string, fallback: JsonValue): Case => ({
  says: `${key} asked for as ${kind} is the code's default`,
  kind,
  key,
  fallback,
  value: fallback,
  reason: 'ERROR',
  errorCode: 'TYPE_MISMATCH',
});

export const CASES: readonly Case[] = [
  resolved('boolean', 'cache-prompts', false, true, 'yes'),
  resolved('string', 'region', 'nowhere', 'eu-west', 'near'),
  resolved('number', 'batch-size', 1, 48, 'many'),
  resolved('number', 'temperature', 0.1, 0.75, 'warm'),
  resolved('object', 'pools', {}, POOLS, 'big'),
  resolved('boolean', 'log-nothing', true, false, 'off'),
  resolved('string', 'suffix', '!', '', 'empty'),
  resolved('number', 'retries', 5, 0, 'never'),
  resolved('number', 'penalty', 0.1, 0, 'zero'),
  resolved('object', 'extra-headers', { a: 1 }, {}, 'none'),
  targeted('boolean', 'pro-stream', true, false, 'off'),
  targeted('string', 'pro-greeting', 'x', '', 'silent'),
  targeted('number', 'pro-wait', 9, 0, 'none'),
  targeted('number', 'pro-noise', 0.9, 0, 'none'),
  targeted('object', 'pro-limits', { x: 1 }, {}, 'none'),
  ...RULED.map(([asked, value, variant]) => untargeted(asked, value, variant, 'another value', BASIC)),
  ...RULED.map(([asked, value, variant]) => untargeted(asked, value, variant, 'an empty context')),
  ...RULED.map(([asked, value, variant]) => untargeted(asked, value, variant, 'null', { plan: null })),
  missing('boolean', true),
  missing('string', 'x'),
  missing('number', 7),
  missing('number', 0.7),
  missing('object', { x: 1 }),
  mismatch('string', 'cache-prompts', 'x'),
  mismatch('number', 'cache-prompts', 7),
  mismatch('boolean', 'region', true),
  mismatch('number', 'region', 0.7),
  mismatch('object', 'region', { x: 1 }),
  mismatch('boolean', 'pools', true),
  {
    says: 'a rule over several attributes of several types needs all of them',
    kind: 'string',
    key: 'staff',
    fallback: 'x',
    value: 'INSIDE',
    variant: 'inside',
    context: { role: 'staff', level: 3, guest: false, email: 'someone@example.org' },
    reason: 'TARGETING_MATCH',
    byOfrep: SPLIT,
  },
  {
    says: 'and is its default where one of them is another',
    kind: 'string',
    key: 'staff',
    fallback: 'x',
    value: 'OUTSIDE',
    variant: 'outside',
    context: { role: 'staff', level: 3, guest: true },
    reason: 'DEFAULT',
  },
  {
    says: 'a flag without a default variant whose rule says nothing is the code’s default',
    kind: 'string',
    key: 'no-default',
    fallback: 'x',
    value: 'x',
    reason: 'DEFAULT',
    byOfrep: {
      reason: 'ERROR',
      errorCode: 'GENERAL',
      because:
        'the official provider takes an answer without a value for a fault, so it is given as one; every config has a value',
    },
  },
  {
    says: 'a flag without a default variant follows its rule',
    kind: 'string',
    key: 'no-default',
    fallback: 'x',
    value: 'B',
    variant: 'b',
    context: PRO,
    reason: 'TARGETING_MATCH',
    byOfrep: SPLIT,
  },
  {
    says: 'a rule that leads to a variant that is not there is an error',
    kind: 'string',
    key: 'lost-variant',
    fallback: 'x',
    value: 'x',
    context: PRO,
    reason: 'ERROR',
    errorCode: 'GENERAL',
  },
  {
    says: 'a flag that is turned off is the code’s default',
    kind: 'boolean',
    key: 'turned-off',
    fallback: false,
    value: false,
    reason: 'DISABLED',
    byOfrep: {
      reason: 'ERROR',
      errorCode: 'GENERAL',
      because: 'the same; a config cannot be turned off, only be given another revision',
    },
  },
];
