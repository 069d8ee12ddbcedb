import { isCounted, type CellSpec, type EvidenceSpec, type SignalSpec } from './types.js';

/** Part of alpha that signals known at the start share; the rest is kept for slices that appear later. */
export const DECLARED_SHARE = 0.9;

/** Part of a signal's bound on the evidence of all slices together; the slices share the rest. */
export const HEADLINE_WEIGHT = 0.7;

/** An invariant needs its part of the bound only while control violates it too. */
const INVARIANT_WEIGHT = 0.25;

export const keyOf = (target: string, model: string): string => `${target}\u0000${model}`;

const weightOf = (signal: SignalSpec): number => signal.weight ?? (signal.type === 'invariant' ? INVARIANT_WEIGHT : 1);

/** A shadow decides nothing, and what a source counts is outside the bound. */
const isSpending = (signal: SignalSpec): boolean => !signal.shadow && !isCounted(signal);

/**
 * Part of alpha for each signal: in proportion to the weights of those that decide, 0.9 together. Others are weighed
 * against the part that they would have beside them, and spend nothing.
 */
export const signalShares = (signals: readonly SignalSpec[]): readonly number[] => {
  const deciding = signals.filter(isSpending).reduce((sum, signal) => sum + weightOf(signal), 0);
  return signals.map((signal) => {
    const weight = weightOf(signal);
    return (DECLARED_SHARE * weight) / (isSpending(signal) ? deciding : deciding + weight);
  });
};

/** Part of a signal's bound for each declared slice: what the headline leaves, in proportion to the slices' weights. */
export const cellShares = (cells: readonly CellSpec[]): readonly number[] => {
  const total = cells.reduce((sum, { weight = 1 }) => sum + weight, 0);
  const left = cells.length === 1 ? 1 : 1 - HEADLINE_WEIGHT;
  return cells.map(({ weight = 1 }) => (left * weight) / total);
};

/** Part of alpha for the n-th slice that appears after the start: (1 - 0.9) / ((n+1)(n+2)), 0.1 over all of them. */
export const reserveShare = (used: number): number => (1 - DECLARED_SHARE) / ((used + 1) * (used + 2));

const refuse = (isWrong: boolean, message: string): void => {
  if (isWrong) throw new RangeError(message);
};

const hasTwice = (names: readonly string[]): boolean => new Set(names).size < names.length;

export const checkEvidenceSpec = ({ alpha, signals, cells, margins }: EvidenceSpec): void => {
  refuse(!(alpha > 0 && alpha < 1), `Alpha ${alpha} is not between 0 and 1: give the chance of a false rollback.`);
  refuse(signals.length === 0, 'The rollout names no signal: name at least one.');
  refuse(hasTwice(signals.map(({ signal }) => signal)), 'A signal is named twice: name each signal once.');
  refuse(
    hasTwice(cells.map(({ target, model }) => keyOf(target, model))),
    'A slice is named twice: name each target and model once.',
  );
  for (const signal of signals) {
    const { harm = 1, weight = 1 } = signal;
    refuse(
      !(harm >= 1 && Number.isFinite(harm)),
      `Signal ${signal.signal} has harm ${harm}: give a ratio of at least 1.`,
    );
    refuse(!(weight > 0 && Number.isFinite(weight)), `Signal ${signal.signal} has weight ${weight}: give one above 0.`);
  }
  for (const { target, model, weight = 1 } of cells) {
    refuse(
      !(weight > 0 && Number.isFinite(weight)),
      `Slice ${target} ${model} has weight ${weight}: give one above 0.`,
    );
  }
  for (const margin of margins) {
    refuse(
      !(margin > 1 && Number.isFinite(margin)),
      `Margin ${margin} is not above 1: give a ratio that may not be reached.`,
    );
  }
};
