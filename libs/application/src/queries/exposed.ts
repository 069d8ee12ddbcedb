import type { ExposedView, UnitCount } from '#libs/contracts';
import { distinctError, estimateDistinct, mergeSketches } from '#libs/statistics';
import type { ExposedCell } from '../ports.js';

export { mergeSketches };

/** The store keeps no more units of a rollout on one target and model than this, besides those with bad outcomes. */
const KEPT_OF_SLICE = 512;

export type ExposedAsked = {
  readonly config: string;
  readonly revision: number;
  readonly rollouts: readonly string[];
  readonly platformOf: (target: string) => string;
  /** Fewer units than this are not told; null: they are. */
  readonly minUnits: number | null;
};

type Sum = { readonly requests: number; readonly units: UnitCount };

const groupsOf = <T>(items: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
};

const sumOf = (cells: readonly ExposedCell[], full: ReadonlySet<string>, minUnits: number | null): Sum => {
  // Hashes of two rollouts are salted each in its own way: a unit that was in both counts twice.
  const byRollout = groupsOf(cells, ({ rollout }) => rollout);
  const sketches = [...byRollout.values()].map((own) => mergeSketches(...own.map(({ units }) => units)));
  const count = sketches.reduce((sum, sketch) => sum + estimateDistinct(sketch), 0);
  const isFew = minUnits !== null && count > 0 && count < minUnits;
  return {
    requests: cells.reduce((sum, { requests }) => sum + requests, 0),
    units: {
      count: isFew ? null : count,
      below: isFew ? minUnits : null,
      error: Math.max(0, ...sketches.map(distinctError)),
      atLeast: cells.some((cell) => full.has(sliceOf(cell))),
    },
  };
};

const sliceOf = ({ rollout, target, model }: ExposedCell): string => JSON.stringify([rollout, target, model]);

/** Slices of which the store had kept as many units as it keeps. */
const fullSlices = (cells: readonly ExposedCell[]): ReadonlySet<string> =>
  new Set(
    [...groupsOf(cells, sliceOf)]
      .filter(([, own]) => mergeSketches(...own.map(({ units }) => units)).length >= KEPT_OF_SLICE)
      .map(([slice]) => slice),
  );

const notesOf = ({ rollouts, minUnits }: ExposedAsked, total: Sum): readonly string[] => [
  'Units are those that outcomes named: fleets name a sample of the units with good answers and all with bad ones, so there were at least so many.',
  ...(total.units.atLeast
    ? [
        `Of a target and model ${KEPT_OF_SLICE} units are kept besides those with bad outcomes: where that was reached there were more.`,
      ]
    : []),
  ...(total.units.error > 0
    ? [`Counts of units are estimates with a relative standard error of ${(total.units.error * 100).toFixed(1)}%.`]
    : []),
  ...(rollouts.length > 1 ? ['A unit that was exposed by two rollouts counts twice.'] : []),
  'What was served after a rollout had settled is not counted.',
  ...(minUnits === null ? [] : [`Fewer than ${minUnits} units are shown as <${minUnits}.`]),
];

/** Who was exposed to a revision, by platform, target, model and hour. Units merge over cells: none counts twice in a rollout. */
export const exposedView = (cells: readonly ExposedCell[], asked: ExposedAsked): ExposedView => {
  const { config, revision, rollouts, platformOf, minUnits } = asked;
  const full = fullSlices(cells);
  const sum = (own: readonly ExposedCell[]): Sum => sumOf(own, full, minUnits);
  const by = (keyOf: (cell: ExposedCell) => string) =>
    [...groupsOf(cells, keyOf)].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([key, own]) => ({ key, ...sum(own) }));
  const total = sum(cells);
  return {
    config,
    revision,
    rollouts: [...rollouts],
    total,
    platforms: by(({ target }) => platformOf(target)).map(({ key, ...rest }) => ({ platform: key, ...rest })),
    targets: by(({ target }) => target).map(({ key, ...rest }) => ({
      target: key,
      platform: platformOf(key),
      ...rest,
    })),
    models: by(({ model }) => model).map(({ key, ...rest }) => ({ model: key, ...rest })),
    cells: [...groupsOf(cells, ({ target, model, hour }) => JSON.stringify([target, model, hour])).values()].flatMap(
      (own) => {
        const [first] = own;
        if (first === undefined) return [];
        const { target, model, hour } = first;
        return [{ target, model, hour: new Date(hour).toISOString(), ...sum(own) }];
      },
    ),
    exact: minUnits === null,
    notes: [...notesOf(asked, total)],
  };
};
