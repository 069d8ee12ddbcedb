import type { GridBets, RatioScale } from '#libs/statistics';
import {
  addToLikelihood,
  gridBets,
  hypergeometricLogE,
  mixingCosts,
  RATIO_GRID,
  type WindowCounts,
} from '#libs/statistics';
import type { CellCount } from './types.js';

type ShareTables = { readonly bets: Map<number, GridBets>; readonly costs: Float64Array };

/** The ratios that are kept, and what an event costs each of them at the shares that are about. */
export type Scaled = { readonly scale: RatioScale; readonly tables: Map<number, ShareTables> };

/** Realised shares hardly ever come back after their look, so no more tables than these are kept of them. */
const MAX_TABLES = 1024;

const tablesOf = ({ scale, tables }: Scaled, rho: number): ShareTables => {
  const known = tables.get(rho);
  if (known !== undefined) return known;
  if (tables.size >= MAX_TABLES) tables.clear();
  const fresh = { bets: new Map<number, GridBets>(), costs: mixingCosts(scale, rho) };
  tables.set(rho, fresh);
  return fresh;
};

/** What one bad event at a share multiplies the wealth of each alternative by. */
export const betsAt = (scaled: Scaled, rho: number, harm: number): GridBets => {
  const { bets } = tablesOf(scaled, rho);
  const known = bets.get(harm);
  if (known !== undefined) return known;
  const fresh = gridBets(rho, harm);
  bets.set(harm, fresh);
  return fresh;
};

/** Bad events that were served at one share of the candidate. */
type ShareCounts = { readonly rho: number; candidateBad: number; controlBad: number };

export const addEvents = (
  scaled: Scaled,
  likelihood: Float64Array,
  { rho, candidateBad, controlBad }: ShareCounts,
): void => addToLikelihood(likelihood, scaled.scale, tablesOf(scaled, rho).costs, candidateBad, controlBad);

export const emptyLikelihood = ({ scale }: Scaled): Float64Array => new Float64Array(scale.ratios.length);

/** The likelihood of a slice, of which most are never asked for: counts by share as long as there are few shares. */
export type Tally = { likelihood: Float64Array | null; readonly shares: ShareCounts[] };

/** More than the shares that a slice has in one plan; realised shares are new at each look. */
const MOST_SHARES = 8;

/** Adds to a tally, or starts one, and returns it. */
export const addToTally = (scaled: Scaled, tally: Tally | null, events: ShareCounts): Tally => {
  if (tally === null) return { likelihood: null, shares: [{ ...events }] };
  const known = tally.shares.find(({ rho }) => rho === events.rho);
  if (known !== undefined) {
    known.candidateBad += events.candidateBad;
    known.controlBad += events.controlBad;
    return tally;
  }
  if (tally.shares.length >= MOST_SHARES) {
    tally.likelihood ??= emptyLikelihood(scaled);
    for (const each of tally.shares) addEvents(scaled, tally.likelihood, each);
    tally.shares.length = 0;
  }
  tally.shares.push({ ...events });
  return tally;
};

/** Null before the first event. */
export const likelihoodOfTally = (scaled: Scaled, tally: Tally | null): Float64Array | null => {
  if (tally === null) return null;
  const { likelihood, shares } = tally;
  const sum = likelihood === null ? emptyLikelihood(scaled) : likelihood.slice();
  for (const each of shares) addEvents(scaled, sum, each);
  return sum;
};

const windowOf = ({
  candidateBad,
  controlBad,
  candidateRequests = 0,
  controlRequests = 0,
}: CellCount): WindowCounts => ({
  candidateBad,
  controlBad,
  candidate: candidateRequests,
  control: controlRequests,
});

/** Logarithms of the e-values of a look for each ratio of odds of the grid, above `harm`. */
export const oddsLogEs = (count: CellCount, harm: number): Float64Array =>
  Float64Array.from(RATIO_GRID, (ratio) => hypergeometricLogE(windowOf(count), ratio, harm));

/** The likelihood of each ratio of odds by one look. */
export const oddsLikelihood = ({ scale }: Scaled, count: CellCount): Float64Array =>
  Float64Array.from(scale.ratios, (ratio) => hypergeometricLogE(windowOf(count), ratio));

/** The same for looks of which the sizes of both arms count: those cannot be summed by share. */
export const addOddsToTally = (scaled: Scaled, tally: Tally | null, added: Float64Array): Tally => {
  const likelihood = tally?.likelihood ?? emptyLikelihood(scaled);
  for (let j = 0; j < likelihood.length; j += 1) likelihood[j] = (likelihood[j] ?? 0) + (added[j] ?? 0);
  return { likelihood, shares: tally?.shares ?? [] };
};
