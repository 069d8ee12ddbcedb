import { PROMOTION_GRID, RATIO_GRID } from '#libs/statistics';
import type { RolloutEvidence } from './state.js';
import type { EvidenceSpec, GateMethod } from './types.js';

/** What a decision rested on, as JSON: enough to repeat it from the same looks and to compare the result. */
export type EvidenceRecord = {
  readonly method: GateMethod;
  readonly spec: EvidenceSpec;
  readonly grid: readonly number[];
  readonly promotionGrid: readonly number[];
  readonly look: number;
  readonly reserveUsed: number;
  readonly signals: readonly {
    readonly signal: string;
    readonly logBound: number;
    readonly logE: number;
    readonly maxLogE: number;
    readonly failedAt: number | null;
    readonly cells: readonly {
      readonly target: string;
      readonly model: string;
      readonly logE: number;
      readonly looks: number;
    }[];
  }[];
};

/** The record of the evidence so far; equal for equal looks, so its digest can be compared after a replay. */
export const evidenceRecord = (state: RolloutEvidence): EvidenceRecord => ({
  method: 'rate-grid-v1',
  spec: state.spec,
  grid: RATIO_GRID,
  promotionGrid: PROMOTION_GRID,
  look: state.look,
  reserveUsed: state.reserveUsed,
  signals: [...state.signals.values()].map((signal) => ({
    signal: signal.spec.signal,
    logBound: signal.logBound,
    logE: signal.logE,
    maxLogE: signal.maxLogE,
    failedAt: signal.failedAt,
    cells: [...signal.cells.values()].flatMap(({ key, processes, logE }) => {
      const [process] = processes ?? [];
      return process === undefined ? [] : [{ target: key.target, model: key.model, logE, looks: process.looks }];
    }),
  })),
});
