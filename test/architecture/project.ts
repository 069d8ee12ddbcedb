import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Project } from './check.js';
import { LAYOUT } from './layout.js';

const SKIPPED = new Set(['node_modules', 'dist']);
const TREES = ['apps', 'libs', 'test'];

const filesUnder = (root: string, folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesUnder(root, path);
    return /\.(tsx?|json|css)$/.test(entry.name) ? [path] : [];
  });

const Versions = z.record(z.string(), z.string()).default({});
const Package = z.object({ dependencies: Versions, optionalDependencies: Versions, devDependencies: Versions });

/** The project as it lies on the disk. */
export const readProject = (root: string): Project => {
  const manifest = Package.parse(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')));
  const paths = TREES.flatMap((tree) => filesUnder(root, tree)).toSorted();
  return {
    files: new Map(paths.map((path) => [path, /\.tsx?$/.test(path) ? readFileSync(join(root, path), 'utf8') : ''])),
    layout: LAYOUT,
    dependencies: new Set([...Object.keys(manifest.dependencies), ...Object.keys(manifest.optionalDependencies)]),
    devDependencies: new Set(Object.keys(manifest.devDependencies)),
  };
};
