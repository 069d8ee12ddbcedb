import type { AtView, PastChange } from './history.js';
import { diffJson, type ValueChange } from './json-diff.js';

type TargetAt = AtView['targets'][number];
export type ConfigAt = TargetAt['configs'][number];

/** One config on one target (or on a pair of targets), as it was on both sides. */
export interface Difference {
  /** A target, or `a → b` when two targets are compared. */
  readonly where: string;
  readonly config: string;
  readonly before: ConfigAt | null;
  readonly after: ConfigAt | null;
  /** Differences of what most traffic gets. */
  readonly changes: readonly ValueChange[];
  /** By which event each side became as it is, and the rollout it belongs to; null where that is not recorded. */
  readonly madeBy: { readonly before: MadeBy | null; readonly after: MadeBy | null };
}

export type MadeBy = PastChange & { readonly rollout: string | null };

/** The value that most traffic gets: the candidate's from half of it upwards. */
const mainValue = (config: ConfigAt | null): unknown =>
  config === null
    ? undefined
    : config.candidate !== null && config.shareBp >= 5_000
      ? config.candidateValue
      : config.value;

const same = (a: ConfigAt, b: ConfigAt, sameRollout: boolean): boolean =>
  a.control === b.control &&
  a.candidate === b.candidate &&
  a.shareBp === b.shareBp &&
  (sameRollout ? a.rollout === b.rollout : true) &&
  diffJson(a.value, b.value).length === 0;

const madeBy = (config: ConfigAt | null): MadeBy | null =>
  config?.since === undefined ? null : { ...config.since, rollout: config.rollout };

const differenceOf = (where: string, config: string, before: ConfigAt | null, after: ConfigAt | null): Difference => ({
  where,
  config,
  before,
  after,
  changes: diffJson(mainValue(before), mainValue(after)),
  madeBy: { before: madeBy(before), after: madeBy(after) },
});

const byConfig = (target: TargetAt | undefined): ReadonlyMap<string, ConfigAt> =>
  new Map((target?.configs ?? []).map((config) => [config.config, config]));

const compareTargets = (where: string, a: TargetAt | undefined, b: TargetAt | undefined, sameRollout: boolean) => {
  const before = byConfig(a);
  const after = byConfig(b);
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((config): readonly Difference[] => {
    const old = before.get(config) ?? null;
    const young = after.get(config) ?? null;
    if (old && young && same(old, young, sameRollout)) return [];
    return [differenceOf(where, config, old, young)];
  });
};

/** What differs between two moments, target by target. */
export const compareMoments = (a: AtView, b: AtView): readonly Difference[] => {
  const before = new Map(a.targets.map((target) => [target.target, target]));
  const after = new Map(b.targets.map((target) => [target.target, target]));
  return [...new Set([...before.keys(), ...after.keys()])]
    .toSorted()
    .flatMap((target) => compareTargets(target, before.get(target), after.get(target), true));
};

/** What differs between two targets at one moment; a target that is not there counts as empty. */
export const compareTwoTargets = (view: AtView, a: string, b: string): readonly Difference[] => {
  const find = (name: string) => view.targets.find((target) => target.target === name);
  return compareTargets(`${a} → ${b}`, find(a), find(b), false);
};

/** Targets of a platform that are to serve one config in the same way. */
type Group = { readonly targets: readonly string[]; readonly config: ConfigAt | null };

/** In which ways the targets of a platform are to serve a config, most targets first. */
const groupsOf = (targets: readonly TargetAt[], config: string): readonly Group[] => {
  const groups: { targets: string[]; config: ConfigAt | null }[] = [];
  for (const target of targets) {
    const own = target.configs.find((each) => each.config === config) ?? null;
    const known = groups.find((group) => (group.config && own ? same(group.config, own, false) : group.config === own));
    if (known) known.targets.push(target.target);
    else groups.push({ targets: [target.target], config: own });
  }
  return groups.toSorted((a, b) => b.targets.length - a.targets.length);
};

const describe = (platform: string, { targets }: Group, all: number): string =>
  targets.length === all ? platform : `${platform} (${targets.join(', ')})`;

/**
 * What differs between two platforms at one moment: each way in which one is to serve a config against each other way of
 * the other one.
 */
export const compareTwoPlatforms = (view: AtView, a: string, b: string): readonly Difference[] => {
  const [left, right] = [a, b].map((name) => view.targets.filter(({ platform }) => platform === name));
  if (left === undefined || right === undefined) return [];
  const configs = [...new Set([...left, ...right].flatMap((target) => target.configs.map(({ config }) => config)))];
  return configs.toSorted().flatMap((config) =>
    groupsOf(left, config).flatMap((one) =>
      groupsOf(right, config).flatMap((other): readonly Difference[] => {
        const isSame = one.config && other.config ? same(one.config, other.config, false) : one.config === other.config;
        if (isSame) return [];
        const where = `${describe(a, one, left.length)} → ${describe(b, other, right.length)}`;
        return [differenceOf(where, config, one.config, other.config)];
      }),
    ),
  );
};
