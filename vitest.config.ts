import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/longest-first.js';

const conditions = ['headgate'];
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
};

/** Unit specs need nothing; the others share one throw-away PostgreSQL server that the global set-up starts. */
export default defineConfig({
  test: {
    // Most integration specs wait for a server or a condition, so more workers than cores keep two cores busy.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['{apps,libs,test}/**/*.spec.ts'],
          exclude: ['**/node_modules/**', 'dist/**', '**/*.{integration,system}.spec.ts'],
          setupFiles: ['reflect-metadata'],
          pool: 'threads',
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: ['{apps,libs,test}/**/*.{integration,system}.spec.ts'],
          exclude: ['**/node_modules/**', 'dist/**'],
          setupFiles: ['reflect-metadata'],
          globalSetup: ['test/global-setup.ts'],
          pool: 'threads',
          isolate: false,
          testTimeout: 180_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
