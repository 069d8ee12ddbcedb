import type { EvidenceSpec } from './types.js';

/** What the slices of a group of targets have told together; groups are named when the evidence starts. */
export type GroupEvidence = {
  /** Sum of the likelihoods of its slices; null before the first event there. */
  likelihood: Float64Array | null;
  touchedAt: number;
  /** Highest promotion evidence by margin. */
  readonly shown: Map<number, number>;
  /** Of values: margin → sums of the logarithms that its promotion bets were told. */
  readonly bets: Map<number, Float64Array>;
};

export type Groups = ReadonlyMap<string, GroupEvidence>;

/** Names of groups by their lists: the same lists are asked about again and again. */
const groupNames = new WeakMap<readonly string[], string>();

export const groupName = (targets: readonly string[] | null): string => {
  if (targets === null) return '*';
  const known = groupNames.get(targets);
  if (known !== undefined) return known;
  const name = targets.toSorted().join('\u0000');
  groupNames.set(targets, name);
  return name;
};

export const startGroups = ({ groups = [] }: EvidenceSpec): Groups =>
  new Map(
    groups.map((targets) => [
      groupName(targets),
      { likelihood: null, touchedAt: 0, shown: new Map(), bets: new Map() },
    ]),
  );

/** Names of the groups that a target belongs to. */
export const namesWith = ({ groups = [] }: EvidenceSpec, target: string): readonly string[] =>
  groups.filter((targets) => targets === null || targets.includes(target)).map(groupName);

/** The same for every cell; cells of the same groups have the same list. */
export const namesOfCells = (spec: EvidenceSpec): readonly (readonly string[])[] => {
  const known = new Map<string, readonly string[]>();
  return spec.cells.map(({ target }) => {
    const names = namesWith(spec, target);
    const key = names.join('\u0001');
    const same = known.get(key) ?? names;
    known.set(key, same);
    return same;
  });
};

export const groupsOf = (own: Groups, names: readonly string[]): readonly GroupEvidence[] =>
  names.flatMap((name) => own.get(name) ?? []);
