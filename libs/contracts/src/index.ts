export * from './primitives.js';
export * from './manifests.js';
export * from './outcomes.js';
export * from './http.js';
export * from './problems.js';
