import { basename, join } from 'node:path';

/** Names the folder of the bundles of this test run, where there are some. */
export const BUNDLE = 'HEADGATE_TEST_BUNDLE';

/** An entry of the build (a path in `dist`): bundled in a test run, as it was compiled otherwise. */
export const entryOf = (path: string, root: string): string => {
  const folder = process.env[BUNDLE];
  return folder === undefined ? join(root, 'dist', path) : join(folder, basename(path));
};
