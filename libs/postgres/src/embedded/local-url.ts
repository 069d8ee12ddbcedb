import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OWNER } from './cluster.js';

/**
 * The embedded database that runs in a data folder (`<data folder of the controller>/postgres`); undefined when none
 * does. Reads only.
 */
export const embeddedUrl = (folder: string): string | undefined => {
  const state = join(folder, 'server.json');
  const password = join(folder, 'password');
  if (!existsSync(state) || !existsSync(password)) return undefined;
  const { port } = JSON.parse(readFileSync(state, 'utf8')) as { port: number };
  return `postgres://${OWNER}:${readFileSync(password, 'utf8').trim()}@127.0.0.1:${port}/${OWNER}`;
};
