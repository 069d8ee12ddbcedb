import MurmurHash3 from 'imurmurhash';
import { sameJson, type Json, type JsonObject } from '#libs/kernel';

/** All of one config's traffic, in basis points. */
const WHOLE = 10_000;

/** What is desired of one config on one target. */
export type RulesetConfig = {
  readonly config: string;
  /** The revision that serves everyone who is not on the candidate. */
  readonly control: number;
  /** The revision being rolled out; null when nothing is. */
  readonly candidate: number | null;
  /** The candidate's share in basis points, 0..10000. */
  readonly shareBp: number;
  /** Id of the rollout, the salt of its assignment; needed while the share is strictly between nothing and everything. */
  readonly rollout: string | null;
  /** The instances that serve the candidate, where the lot decides by instance; default: units or requests are split. */
  readonly instances?: { readonly candidate: readonly string[] } | null;
  /** Clients are to evaluate anew for each request, whatever a session has stuck to; default: that is up to them. */
  readonly stickiness?: 'drop';
  /** Revision → value; must hold every revision that is served. */
  readonly values: Readonly<Record<number, JsonObject>>;
};

export type RulesetInput = {
  readonly target: string;
  /** Global position of the last event that changed this target's ruleset. */
  readonly generation: number;
  readonly configs: readonly RulesetConfig[];
};

type RulesetVersion = { readonly flagSetId: string; readonly version: string };

type FlagMetadata = RulesetVersion & { readonly stickiness?: 'drop' };

/**
 * `scope` keeps a secret: flagd providers copy their selector, which may carry a token, into the metadata of every
 * evaluation, but only where no scope is given.
 */
type RulesetMetadata = RulesetVersion & { readonly scope: string };

/** A targeting rule in JSON logic, the form flagd evaluates. */
type Targeting = { readonly if: readonly Json[] };

type StaticFlag = {
  readonly state: 'ENABLED';
  readonly variants: { readonly [variant: string]: JsonObject };
  readonly defaultVariant: string;
  readonly metadata: FlagMetadata;
};

/** One config in flagd's flag definition format. */
export type FlagdFlag = StaticFlag | (StaticFlag & { readonly targeting: Targeting });

/** The whole ruleset of one target in flagd's flag definition format. */
export type FlagdRuleset = {
  readonly flags: { readonly [config: string]: FlagdFlag };
  readonly metadata: RulesetMetadata;
};

/** Name of the variant that carries a revision. */
export const variantOf = (revision: number): string => `r${revision}`;

/** The revision that a variant carries; undefined for a name that `variantOf` never gives. */
export const revisionOf = (variant: string): number | undefined => {
  const digits = /^r([1-9]\d*)$/.exec(variant)?.[1];
  return digits === undefined ? undefined : Number(digits);
};

/**
 * The ruleset that makes a target serve what is desired of it, in flagd's flag definition format.
 * Equal input gives equal bytes, whatever the order of configs and keys. A config without a split has no rule; a split is
 * sticky by targeting key, salted with the rollout's id, and requests without a key stay on the control. Where instances
 * are drawn, the candidate is for whoever evaluates with one of their names as key.
 * Throws a RangeError for a share out of range, a split without a rollout, a missing value or a config given twice.
 */
export const renderRuleset = (input: RulesetInput): FlagdRuleset => {
  const metadata = { flagSetId: input.target, version: String(input.generation) };
  const flags: Record<string, FlagdFlag> = {};
  for (const config of [...input.configs].sort(byName)) {
    if (Object.hasOwn(flags, config.config)) {
      throw new RangeError(`Config ${config.config} is given twice for target ${input.target}: name it once.`);
    }
    flags[config.config] = renderFlag(
      config,
      config.stickiness === undefined ? metadata : { ...metadata, stickiness: config.stickiness },
    );
  }
  return { flags, metadata: { ...metadata, scope: input.target } };
};

/**
 * What two rulesets say otherwise of their configs, each in words; empty where they serve the same. Generations are not
 * compared.
 */
export const rulesetDifferences = (asked: JsonObject, held: JsonObject): readonly string[] => {
  const [wanted, found] = [flagsOf(asked), flagsOf(held)];
  const names = [...new Set([...Object.keys(wanted), ...Object.keys(found)])].sort(compare);
  return names.flatMap((name) => {
    if (!Object.hasOwn(found, name)) return [`config ${name} is missing`];
    if (!Object.hasOwn(wanted, name)) return [`config ${name} is not Headgate's`];
    return sameJson(withoutMetadata(wanted[name]), withoutMetadata(found[name])) ? [] : [`config ${name} is another`];
  });
};

/** Whether a ruleset serves a config as another one does, whatever else is in them. */
export const servesAlike = (config: string, asked: JsonObject, held: JsonObject): boolean => {
  const [wanted, found] = [flagsOf(asked), flagsOf(held)];
  if (!Object.hasOwn(found, config)) return !Object.hasOwn(wanted, config);
  return Object.hasOwn(wanted, config) && sameJson(withoutMetadata(wanted[config]), withoutMetadata(found[config]));
};

const flagsOf = (ruleset: JsonObject): JsonObject =>
  isObject(ruleset['flags'] ?? null) ? (ruleset['flags'] as JsonObject) : {};

/** The metadata of a flag is its generation. */
const withoutMetadata = (flag: Json | undefined): Json => {
  if (flag === undefined || !isObject(flag)) return flag ?? null;
  return Object.fromEntries(Object.entries(flag).filter(([key]) => key !== 'metadata'));
};

const byName = (a: RulesetConfig, b: RulesetConfig): number => compare(a.config, b.config);

const compare = (a: string, b: string): number => {
  if (a === b) return 0;
  return a < b ? -1 : 1;
};

const renderFlag = (config: RulesetConfig, metadata: FlagMetadata): FlagdFlag => {
  const { control, candidate, shareBp } = config;
  if (!Number.isInteger(shareBp) || shareBp < 0 || shareBp > WHOLE) {
    throw new RangeError(
      `The share of config ${config.config} is ${shareBp}: give whole basis points from 0 to ${WHOLE}.`,
    );
  }
  if (candidate === null || candidate === control || shareBp === 0) return serveOne(config, control, metadata);
  if (shareBp === WHOLE) return serveOne(config, candidate, metadata);
  return split(config, candidate, metadata);
};

const serveOne = (config: RulesetConfig, revision: number, metadata: FlagMetadata): FlagdFlag => ({
  state: 'ENABLED',
  variants: variants(config, [revision]),
  defaultVariant: variantOf(revision),
  metadata,
});

const split = (config: RulesetConfig, candidate: number, metadata: FlagMetadata): FlagdFlag => {
  const { control, shareBp, rollout } = config;
  if (rollout === null) {
    throw new RangeError(
      `Config ${config.config} is split at ${shareBp} basis points without a rollout: name the rollout, it is the salt.`,
    );
  }
  const key = { var: 'targetingKey' };
  const fractional = [
    { cat: [rollout, ':', key] },
    [variantOf(candidate), shareBp],
    [variantOf(control), WHOLE - shareBp],
  ];
  const { instances = null } = config;
  const drawn = instances && [{ in: [key, [...instances.candidate]] }, variantOf(candidate), null];
  return {
    state: 'ENABLED',
    variants: variants(config, [control, candidate]),
    defaultVariant: variantOf(control),
    targeting: { if: drawn ?? [key, { fractional }, null] },
    metadata,
  };
};

/**
 * Whether a split of a rollout puts a unit on the candidate: what flagd evaluates of the rule above, MurmurHash3 (32 bit,
 * seed 0) of the salted key, scaled to the weights.
 */
export const isOnCandidate = (rollout: string, unit: string, shareBp: number): boolean =>
  Math.floor((new MurmurHash3(`${rollout}:${unit}`).result() * WHOLE) / 2 ** 32) < shareBp;

const variants = (config: RulesetConfig, revisions: readonly number[]): Record<string, JsonObject> => {
  const result: Record<string, JsonObject> = {};
  for (const revision of [...revisions].sort((a, b) => a - b)) {
    const value = config.values[revision];
    if (value === undefined) {
      throw new RangeError(`Revision ${revision} of config ${config.config} has no value: give it with the others.`);
    }
    result[variantOf(revision)] = sortedObject(value);
  }
  return result;
};

const sortedObject = (value: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => compare(a, b))
      .map(([key, item]) => [key, sorted(item)]),
  );

const isObject = (value: Json): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sorted = (value: Json): Json => {
  if (isObject(value)) return sortedObject(value);
  return Array.isArray(value) ? value.map(sorted) : value;
};
