export * from './embedded/start-embedded-postgres.js';
export * from './databases.js';
export * from './pool.js';
export * from './migrate.js';
