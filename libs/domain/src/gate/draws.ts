import { startDraw, type DrawProcess } from '#libs/statistics';
import type { InstancePlace } from './types.js';

/** Everything that one instance served of one model under the exposure that is tested. */
export type InstanceTotal = { readonly place: InstancePlace; count: number; sum: number };

/** One claim about the draws of a target. */
export type DrawTest = {
  /** What earlier draws have shown, as a logarithm. */
  logPast: number;
  process: DrawProcess;
};

/** What the draws of one target have told of one signal. Each exposure is a new draw, given those before it. */
export type TargetDraw = {
  /** The exposure whose draw is tested: the largest of which anything was seen. */
  shareBp: number;
  /** How many instances it was drawn from. */
  drawn: number;
  /** Model → instance → what it served under this exposure. */
  readonly models: Map<string, Map<string, InstanceTotal>>;
  /** That the candidate is worse than `harm`; then for each margin that it is better than that. */
  readonly tests: readonly DrawTest[];
};

/** A draw of which nothing was seen yet. */
export const startTarget = (margins: number): TargetDraw => ({
  shareBp: 0,
  drawn: 0,
  models: new Map(),
  tests: Array.from({ length: margins + 1 }, () => ({ logPast: 0, process: startDraw(0) })),
});
