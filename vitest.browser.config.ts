import { defineConfig } from 'vitest/config';

const conditions = ['headgate'];
const shared = {
  resolve: { conditions },
  ssr: { resolve: { conditions } },
};

const project = (name: string, include: string) => ({
  ...shared,
  test: {
    name,
    include: [include],
    setupFiles: ['reflect-metadata'],
    globalSetup: ['test/global-setup.ts'],
    pool: 'threads' as const,
    isolate: false,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
});

/** What needs a browser, apart from the other tests: not every machine has one. */
export default defineConfig({
  test: {
    // A controller, its fleets and a browser each: one at a time is enough for two cores.
    maxWorkers: 1,
    projects: [
      project('browser', 'test/browser/**/*.browser.ts'),
      project('screenshots', 'test/browser/**/*.shots.ts'),
    ],
  },
});
