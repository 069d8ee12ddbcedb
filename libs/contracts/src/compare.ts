import type { AtView } from './history.js';
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
}

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

const byConfig = (target: TargetAt | undefined): ReadonlyMap<string, ConfigAt> =>
  new Map((target?.configs ?? []).map((config) => [config.config, config]));

const compareTargets = (where: string, a: TargetAt | undefined, b: TargetAt | undefined, sameRollout: boolean) => {
  const before = byConfig(a);
  const after = byConfig(b);
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((config): readonly Difference[] => {
    const old = before.get(config) ?? null;
    const young = after.get(config) ?? null;
    if (old && young && same(old, young, sameRollout)) return [];
    return [{ where, config, before: old, after: young, changes: diffJson(mainValue(old), mainValue(young)) }];
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
