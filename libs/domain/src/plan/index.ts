export * from './plan.js';
export * from './emergency.js';
