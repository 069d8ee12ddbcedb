export * from './config.js';
export * from './schema.js';
export * from './undo.js';
