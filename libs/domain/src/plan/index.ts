export * from './emergency.js';
export * from './plan.js';
export { planFaults } from './plan.faults.js';
export { matches as hasLabels, planGaps, type PlanGap } from './plan.gaps.js';
export { stageName } from './plan.names.js';
export { toleratedSilenceMs } from './silence.js';
export type { KnownSignal, KnownTarget, PlanSpec } from './plan.types.js';
