export * from './primitives.js';
export * from './manifests.js';
export * from './outcomes.js';
export * from './access.js';
export * from './configs.js';
export * from './rollouts.js';
export * from './history.js';
export * from './problems.js';
