export * from './exposure.js';
export * from './intake.js';
export * from './evidence-store.js';
export * from './evidence-bell.js';
export * from './fold-snapshots.js';
export * from './group-commit-intake.js';
export * from './postgres-evidence-store.js';
