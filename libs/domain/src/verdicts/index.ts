export * from './explain.js';
export { recomputeVerdicts } from './recompute.js';
export type { KeptLook, LoggedEvent, Recomputed } from './recompute.js';
export * from './verdicts.js';
export * from './violations.js';
