export * from './exposure.js';
export * from './intake.js';
export * from './evidence-store.js';
export * from './evidence-bell.js';
export * from './group-commit-intake.js';
export * from './postgres-evidence-store.js';
export * from './memory/memory-evidence-store.js';
export * from './memory/memory-intake.js';
