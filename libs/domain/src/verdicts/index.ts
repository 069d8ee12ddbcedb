export * from './verdicts.js';
export * from './violations.js';
