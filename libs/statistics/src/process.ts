import type { GridBets } from './grid.js';
import { RATIO_GRID } from './grid.js';
import { lookMass, raiseMass } from './restarts.js';

/**
 * The e-process of one signal in one slice, or over all slices: a mixture over the grid of ratios and over the looks at
 * which the harm may have begun (an average of e-processes is one). A look counts as informative when it brings bad
 * events at a share strictly between 0 and 1; others neither cost time nor restart mass. State is 12 wealths with one
 * common logarithmic scale, so nothing overflows; underflow only ever makes the evidence smaller.
 */
export type RateProcess = {
  readonly wealth: Float64Array;
  logScale: number;
  /** Prior mass that has not been bet yet. */
  cash: number;
  /** Mass of exposure increases that is still to be released, half of it at each informative look. */
  pending: number;
  looks: number;
  raises: number;
};

/** A process before its first look: e-value 1. It bets on so many alternatives, all alike; default: the grid of ratios. */
export const startProcess = (alternatives: number = RATIO_GRID.length): RateProcess => ({
  wealth: new Float64Array(alternatives),
  logScale: 0,
  cash: 1,
  pending: 0,
  looks: 0,
  raises: 0,
});

/** Above this logarithm the common scale moves out of the wealths: far from the largest number, 709. */
const RESCALE_ABOVE = 460;

/**
 * Opens an informative look: releases the restart mass that is due, before any arm of this look is taken into account.
 * `raised` says that this look is the first one with bad events at a larger exposure than ever before.
 */
export const openLook = (process: RateProcess, raised: boolean): void => {
  if (raised) {
    process.pending += raiseMass(process.raises);
    process.raises += 1;
  }
  const ofRaises = process.pending / 2;
  process.pending -= ofRaises;
  const released = ofRaises + lookMass(process.looks);
  process.looks += 1;
  process.cash -= released;
  const each = (released / process.wealth.length) * (process.logScale === 0 ? 1 : Math.exp(-process.logScale));
  const wealth = process.wealth;
  for (let k = 0; k < wealth.length; k += 1) wealth[k] = (wealth[k] ?? 0) + each;
};

const betOnce = (process: RateProcess, factors: Float64Array): void => {
  const wealth = process.wealth;
  let top = 0;
  for (let k = 0; k < wealth.length; k += 1) {
    const next = (wealth[k] ?? 0) * (factors[k] ?? 0);
    wealth[k] = next;
    if (next > top) top = next;
  }
  const logTop = Math.log(top);
  if (logTop < RESCALE_ABOVE) return;
  process.logScale += logTop;
  for (let k = 0; k < wealth.length; k += 1) wealth[k] = (wealth[k] ?? 0) / top;
};

/** Multiplies the wealth of each alternative by the e-value that a look gave it, as logarithms. */
export const betLogs = (process: RateProcess, logFactors: Float64Array): void => {
  const wealth = process.wealth;
  let top = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < wealth.length; k += 1) {
    const next = process.logScale + Math.log(wealth[k] ?? 0) + (logFactors[k] ?? 0);
    wealth[k] = next;
    if (next > top) top = next;
  }
  process.logScale = top > RESCALE_ABOVE ? top : 0;
  for (let k = 0; k < wealth.length; k += 1) wealth[k] = Math.exp((wealth[k] ?? 0) - process.logScale);
};

/** Folds bad events of an open look in, at a cost that does not depend on how many; once per slice and share. */
export const bet = (process: RateProcess, bets: GridBets, candidateBad: number, controlBad: number): void => {
  if (candidateBad + controlBad === 1) return betOnce(process, candidateBad === 1 ? bets.candidate : bets.control);
  const logFactors = bets.logCandidate.map((each, k) => candidateBad * each + controlBad * (bets.logControl[k] ?? 0));
  betLogs(process, logFactors);
};

/** Natural logarithm of the e-value. */
export const logEValue = (process: RateProcess): number => {
  let sum = process.logScale === 0 ? process.cash : process.cash * Math.exp(-process.logScale);
  for (let k = 0; k < process.wealth.length; k += 1) sum += process.wealth[k] ?? 0;
  return process.logScale + Math.log(sum);
};
