import { logAssignmentE, logSumExp } from '#libs/statistics';
import { whole } from './sentence.js';

/** Units, or requests where the coin is thrown per request, that were seen on one target at one share. */
export type Assigned = {
  readonly target: string;
  /** The candidate's configured share in basis points. */
  readonly shareBp: number;
  readonly candidate: number;
  readonly control: number;
};

/** Chance of a false alarm over the whole rollout, at all looks together. */
export const SKEW_ALPHA = 1e-4;

/** Weight of the configured share against others: how sharply small departures are looked for. */
const MASS = 10_000;

const logEOf = ({ shareBp, candidate, control }: Assigned): number => {
  const share = shareBp / 10_000;
  return share <= 0 || share >= 1 ? 0 : logAssignmentE([candidate, control], [share, 1 - share], MASS);
};

const percent = (part: number, all: number): string => `${Number(((100 * part) / all).toPrecision(3))}%`;

/**
 * Whether the arms have as many as their shares say (sample-ratio mismatch), in a sentence; undefined where they may.
 * Each share of a target has an e-process (Dirichlet against the configured share, Lindon and Malek 2022); those of a
 * target multiply, since they are of different units, and the targets share the bound evenly. A skew means that the arms
 * cannot be compared: nobody knows what became of those who are missing.
 */
export const assignmentSkew = (cells: readonly Assigned[], what: 'units' | 'requests'): string | undefined => {
  const targets = [...new Set(cells.map(({ target }) => target))];
  const logEs = targets.map((target) =>
    cells.filter((cell) => cell.target === target).reduce((sum, cell) => sum + logEOf(cell), 0),
  );
  if (targets.length === 0 || logSumExp(logEs) - Math.log(targets.length) < -Math.log(SKEW_ALPHA)) return undefined;
  const worst = targets[logEs.indexOf(Math.max(...logEs))];
  const cell = cells
    .filter(({ target }) => target === worst)
    .reduce((most, each) => (logEOf(each) > logEOf(most) ? each : most));
  const all = cell.candidate + cell.control;
  return `assignment on ${cell.target}: ${whole(cell.candidate)} of ${whole(all)} ${what} are on the candidate (${percent(cell.candidate, all)}), where ${percent(cell.shareBp, 10_000)} should be: the arms cannot be compared; see who is missing, and how rulesets are evaluated there`;
};
