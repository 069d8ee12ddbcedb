export * from './events/index.js';
export { summarise } from './events/summary.js';
export * from './config/index.js';
export * from './target/index.js';
export * from './plan/index.js';
export * from './ruleset/index.js';
export * from './rollout/index.js';
export * from './fleet/index.js';
export * from './gate/index.js';
