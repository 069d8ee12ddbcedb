import type { VertexSettings } from '#libs/contracts';
import type { JsonObject } from '#libs/kernel';

export type TrafficSplit = Readonly<Record<string, number>>;

type Flag = {
  readonly defaultVariant?: string;
  readonly targeting?: { readonly if?: readonly unknown[] };
};

/** Variant → share in basis points, as the flag's rule gives it to those who have a key. */
const sharesOf = ({ defaultVariant = '', targeting }: Flag): readonly (readonly [string, number])[] => {
  const rule = targeting?.if?.[1] as { readonly fractional?: readonly unknown[] } | undefined;
  if (rule?.fractional === undefined) return [[defaultVariant, 10_000]];
  return rule.fractional.slice(1) as readonly (readonly [string, number])[];
};

/** The split that a ruleset means for an endpoint, in whole percents; otherwise why it means none. */
export const splitOf = (
  ruleset: JsonObject,
  { config, deployedModels }: VertexSettings,
): { readonly split: TrafficSplit } | { readonly fault: string } => {
  const flags = (ruleset['flags'] ?? {}) as Readonly<Record<string, Flag>>;
  const flag = Object.hasOwn(flags, config) ? flags[config] : undefined;
  if (flag === undefined) return { fault: `config ${config} is not there yet: apply its manifest` };
  const split: Record<string, number> = {};
  for (const [variant, shareBp] of sharesOf(flag)) {
    if (shareBp === 0) continue;
    const model = Object.hasOwn(deployedModels, variant) ? deployedModels[variant] : undefined;
    if (model === undefined)
      return { fault: `no deployed model is named for ${variant}: add it to deployedModels in the target's settings` };
    if (shareBp % 100 !== 0)
      return { fault: `${variant} is to have ${shareBp / 100}%, and an endpoint splits in whole percents` };
    split[model] = (split[model] ?? 0) + shareBp / 100;
  }
  return { split };
};
