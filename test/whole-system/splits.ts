import type { JsonObject } from '#libs/kernel';
import { isOnCandidate } from '#libs/domain';
import { CONFIGS } from './setting.js';

type Rule = { readonly in: readonly [unknown, readonly string[]] } | { readonly fractional: readonly unknown[] };
type Flag = {
  readonly defaultVariant: string;
  readonly targeting?: { readonly if: readonly [Rule | { readonly var: string }, Rule | string, null] };
};

/** How a ruleset splits a config: nobody, some units or requests, or some instances are on the candidate. */
export type Split = {
  readonly config: string;
  readonly candidate: number;
  readonly control: number;
  /** In basis points; of instances that are drawn it says nothing. */
  readonly shareBp: number;
  /** By sticky unit: whether the coin of each puts it on the candidate. Null: a fresh coin for each request. */
  readonly coins: readonly boolean[] | null;
  /** The instances that serve the candidate; null where none are drawn. */
  readonly drawn: readonly string[] | null;
};

const revisionOf = (variant: unknown): number => Number(String(variant).slice(1));

const flagOf = (ruleset: JsonObject, config: string): Flag | undefined =>
  (ruleset['flags'] as unknown as Readonly<Record<string, Flag>>)[config];

/** How a ruleset serves a config, read as a client reads it; undefined where it does not. */
export const splitOf = (ruleset: JsonObject, config: string, units: readonly string[] = []): Split | undefined => {
  const flag = flagOf(ruleset, config);
  if (!flag) return undefined;
  const control = revisionOf(flag.defaultVariant);
  if (!flag.targeting) return { config, candidate: control, control, shareBp: 10_000, coins: null, drawn: null };
  const [condition, rule] = flag.targeting.if;
  if ('in' in condition)
    return { config, candidate: revisionOf(rule), control, shareBp: 0, coins: null, drawn: condition.in[1] };
  const { fractional } = rule as { readonly fractional: readonly unknown[] };
  const [salted, chosen] = fractional as readonly [{ readonly cat: readonly [string] }, readonly [string, number]];
  const [variant, shareBp] = chosen;
  const isSticky = CONFIGS.some((each) => each.config === config && each.assignment === 'unit');
  const coins = isSticky ? units.map((unit) => isOnCandidate(salted.cat[0], unit, shareBp)) : null;
  return { config, candidate: revisionOf(variant), control, shareBp, coins, drawn: null };
};
