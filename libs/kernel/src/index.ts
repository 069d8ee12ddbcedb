export * from './json.js';
export * from './events.js';
export * from './decider.js';
export * from './event-store.js';
export * from './tasks.js';
export * from './ports.js';
export * from './log-tree.js';
