export { backtest, isNewStop } from './backtest.js';
export type { Backtested, JudgingPlan, StopPoint, TimedKeptLook } from './backtest.js';
export * from './explain.js';
export { recomputeVerdicts } from './recompute.js';
export type { KeptLook, LoggedEvent, Recomputed } from './recompute.js';
export { recomputeParities, type RecomputedParity } from './recompute-parity.js';
export * from './verdicts.js';
export * from './violations.js';
