import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const controller = process.env.HEADGATE_URL ?? 'http://127.0.0.1:7070';

export default defineConfig({
  root: import.meta.dirname,
  base: '/ui/',
  plugins: [react()],
  resolve: { conditions: ['headgate', 'module', 'browser', 'development|production'] },
  build: {
    target: 'es2023',
    emptyOutDir: true,
    // Everything is a file of its own: the policy lets nothing be inlined.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 900,
    modulePreload: { polyfill: false },
    // The schemas of the contracts are needed by the controller; the console takes types and a few plain functions.
    rolldownOptions: { treeshake: { moduleSideEffects: (id) => !id.includes('/libs/contracts/') } },
  },
  server: { proxy: { '/v1': controller } },
});
