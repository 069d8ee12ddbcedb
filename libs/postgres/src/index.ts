export * from './embedded/start-embedded-postgres.js';
export * from './embedded/app-url.js';
export * from './embedded/local-url.js';
export { int4Array, textArray } from './binary-arrays.js';
export * from './databases.js';
export * from './pool.js';
export * from './migrate.js';
export * from './app-role.js';
export { Together } from './together.js';
