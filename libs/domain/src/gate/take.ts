import { bet, betLogs, SHIFT_BETS } from '#libs/statistics';
import type { CellEvidence, RolloutEvidence, SignalEvidence } from './state.js';
import { addEvents, addOddsToTally, addToTally, betsAt, emptyLikelihood, oddsLikelihood, oddsLogEs } from './tally.js';
import { isOfValues, type CellCount } from './types.js';
import { betValues, learnValues, logEsOfPromotion, logEsOfValues, processesOf, startValues } from './values.js';

/** A count of a look with the slice of its signal, and the candidate's share. */
export type Told = {
  readonly signal: SignalEvidence;
  readonly cell: CellEvidence;
  readonly rho: number;
  readonly count: CellCount;
};

/** Of frequent bad requests both arms are weighed as they were, not only the bad ones. */
const takeOdds = (state: RolloutEvidence, { signal, cell, count }: Told): void => {
  const logEs = oddsLogEs(count, signal.spec.harm ?? 1);
  for (const process of cell.processes ?? []) betLogs(process, logEs);
  if (signal.headlineWeight > 0) for (const process of signal.headline) betLogs(process, logEs);
  const likelihood = oddsLikelihood(state, count);
  cell.tally = addOddsToTally(state, cell.tally, likelihood);
  for (const group of cell.groups) {
    const sum = (group.likelihood ??= emptyLikelihood(state));
    for (let j = 0; j < sum.length; j += 1) sum[j] = (sum[j] ?? 0) + (likelihood[j] ?? 0);
    group.touchedAt = state.look;
  }
};

const takeValues = (state: RolloutEvidence, { signal, cell, rho, count }: Told): void => {
  const values = (cell.values ??= startValues());
  const told = { bins: count.bins ?? [], rho };
  const logEs = logEsOfValues(signal.spec, values, told);
  betValues(cell.processes ?? [], logEs);
  if (signal.headlineWeight > 0) betValues(signal.headline, logEs);
  for (const margin of cell.groups.length === 0 ? [] : state.spec.margins) {
    const promotion = logEsOfPromotion(signal.spec, values, told, margin);
    if (promotion === null) continue;
    for (const group of cell.groups) {
      const sums = group.bets.get(margin) ?? new Float64Array(SHIFT_BETS.length);
      group.bets.set(margin, sums);
      for (let k = 0; k < sums.length; k += 1) sums[k] = (sums[k] ?? 0) + (promotion[k] ?? 0);
      group.touchedAt = state.look;
    }
  }
};

const takeEvents = (state: RolloutEvidence, { signal, cell, rho, count }: Told): void => {
  const { candidateBad, controlBad } = count;
  const bets = betsAt(state, rho, signal.spec.harm ?? 1);
  for (const process of cell.processes ?? []) bet(process, bets, candidateBad, controlBad);
  if (signal.headlineWeight > 0) for (const process of signal.headline) bet(process, bets, candidateBad, controlBad);
  const events = { rho, candidateBad, controlBad };
  cell.tally = addToTally(state, cell.tally, events);
  for (const group of cell.groups) {
    addEvents(state, (group.likelihood ??= emptyLikelihood(state)), events);
    group.touchedAt = state.look;
  }
};

/** Bets on what a look told of a slice, in the slice and over all of them; the look is open. */
export const take = (state: RolloutEvidence, told: Told): void => {
  const { spec } = told.signal;
  if (isOfValues(spec)) takeValues(state, told);
  else if (spec.frequent === true) takeOdds(state, told);
  else takeEvents(state, told);
};

/** What a look told is learned once all its bets are made, so that the order of its counts does not matter. */
export const learn = ({ signal, cell, rho, count }: Told): void => {
  if (rho === 0) {
    cell.values ??= startValues();
    cell.processes ??= processesOf(signal.spec);
  }
  if (cell.values !== null) learnValues(signal.spec, cell.values, count.shareBp, count.bins ?? []);
};
